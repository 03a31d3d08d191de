#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Asks a coordinator for its status and prints a line for each study and each worker.

It speaks the protocol as proto-docs/PROTOCOL.md has it, and shares no code with the program: that it works is a test of the text.

    scripts/fleet_status.py [STUDY] [--coordinator tcp://HOST:PORT] [--credentials FILE | --insecure] [--all] [--check]

Needs protoc (Debian: protobuf-compiler), and pyzmq 20 or newer with CURVE and protobuf 3.15 or newer
(pip install pyzmq protobuf; Debian: python3-zmq python3-protobuf). The messages are described to protobuf at run time by what protoc
says of proto-docs, so any release of protoc goes with any release of the library.

Exit codes are those of pseudoword: 0 done, 1 failed, 2 wrong usage, 3 no coordinator, 4 refused, 5 not found, 6 degraded (with --check).
"""

import argparse
import json
import os
import pathlib
import re
import secrets
import socket
import stat
import subprocess
import sys
import time
import unicodedata
import uuid

FAILED, USAGE, UNREACHABLE, REFUSED, NOT_FOUND, DEGRADED = 1, 2, 3, 4, 5, 6
MAGIC = b"PWD2"
VERSION = (2, 0)
MESSAGE_BYTES = 8 << 20
DEFAULT_ADDRESS = "tcp://127.0.0.1:7400"
PROTO_DOCS = pathlib.Path(__file__).resolve().parent.parent / "proto-docs"


class Failure(Exception):
    """What ends the program: one line and an exit code."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


def one_line(text, limit=1000):
    """Text of others as it may be printed: without anything that moves a cursor."""
    return "".join(c if unicodedata.category(c) not in ("Cc", "Cf", "Zl", "Zp", "Cs", "Cn") else " " for c in str(text))[:limit]


# --- Libraries and messages -------------------------------------------------------------------------------------------------------

def libraries():
    try:
        import zmq
        import zmq.utils.monitor
        from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    except ImportError as error:
        raise Failure(FAILED, f"{error}; install it: pip install pyzmq protobuf") from None
    return zmq, descriptor_pb2, descriptor_pool, message_factory


def envelope_class(protos):
    """The class of pseudoword.v2.Envelope, made from the .proto files."""
    _, descriptor_pb2, descriptor_pool, message_factory = libraries()
    files = sorted(str(file.relative_to(protos)) for file in protos.glob("pseudoword/v2/*.proto"))
    if not files:
        raise Failure(FAILED, f"{protos}: holds no pseudoword/v2/*.proto; name the folder with --protos")
    command = ["protoc", f"--proto_path={protos}", "--descriptor_set_out=/dev/stdout", "--include_imports", *files]
    try:
        described = subprocess.run(command, capture_output=True, check=True).stdout
    except FileNotFoundError:
        raise Failure(FAILED, "protoc not found; install it (Debian: apt install protobuf-compiler)") from None
    except subprocess.CalledProcessError as error:
        raise Failure(FAILED, f"protoc: {one_line(error.stderr.decode(errors='replace'))}") from None
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(described).file:
        pool.AddSerializedFile(file.SerializeToString())
    descriptor = pool.FindMessageTypeByName("pseudoword.v2.Envelope")
    if hasattr(message_factory, "GetMessageClass"):
        return message_factory.GetMessageClass(descriptor)
    return message_factory.MessageFactory(pool).GetPrototype(descriptor)


def enum_name(message, field):
    """Such as `running` for STUDY_STATE_RUNNING; the number of a value that is newer than our .proto files."""
    number = getattr(message, field)
    enum = message.DESCRIPTOR.fields_by_name[field].enum_type
    value = enum.values_by_number.get(number)
    if value is None:
        return str(number)
    prefix = re.sub(r"(?<!^)(?=[A-Z])", "_", enum.name).upper() + "_"
    return value.name[len(prefix):].lower()


# --- Who we are, and where to ask -------------------------------------------------------------------------------------------------

class Place:
    """A coordinator's addresses, and the keys to speak to it; without keys for one that runs with --insecure."""

    def __init__(self, endpoints, server_key=None, public_key=None, secret_key=None):
        self.endpoints, self.server_key, self.public_key, self.secret_key = endpoints, server_key, public_key, secret_key


def credentials_file(named):
    if named:
        return pathlib.Path(named).expanduser()
    if os.environ.get("PSEUDOWORD_CREDENTIALS"):
        return pathlib.Path(os.environ["PSEUDOWORD_CREDENTIALS"])
    if os.environ.get("PSEUDOWORD_CONFIG"):
        folder = pathlib.Path(os.environ["PSEUDOWORD_CONFIG"])
    else:
        folder = pathlib.Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser() / "pseudoword"
    folder /= "credentials"
    try:
        return folder / (folder / "default").read_text(encoding="utf-8").strip()
    except OSError:
        pass
    files = sorted(folder.glob("*.json"))
    if len(files) != 1:
        why = f"there are credentials for {len(files)} coordinators" if files else "there are no credentials"
        raise Failure(REFUSED if not files else FAILED, f"{folder}: {why}; name a file with --credentials, or join: pseudoword join TOKEN")
    return files[0]


def key(fields, name, file):
    text = fields.get(name)
    if not isinstance(text, str) or len(text) != 40:
        raise Failure(FAILED, f"{file}: {name} is no key of 40 characters")
    return text.encode()


def read_credentials(file):
    try:
        with open(file, "rb") as opened:
            if stat.S_IMODE(os.fstat(opened.fileno()).st_mode) & 0o077:
                raise Failure(FAILED, f"{file}: others can get at it; it holds secrets, so: chmod 600 {file}")
            fields = json.loads(opened.read(65536))
    except FileNotFoundError:
        raise Failure(NOT_FOUND, f"{file}: no such file") from None
    except OSError as error:
        raise Failure(FAILED, f"{file}: {error.strerror}") from None
    except ValueError:
        raise Failure(FAILED, f"{file}: is no JSON, so it is no credentials file") from None
    if not isinstance(fields, dict) or fields.get("version") != 1:
        raise Failure(FAILED, f"{file}: is no credentials file of version 1")
    endpoints = fields.get("endpoints")
    if not isinstance(endpoints, list) or not 1 <= len(endpoints) <= 16 or not all(isinstance(text, str) for text in endpoints):
        raise Failure(FAILED, f"{file}: names no addresses")
    return Place(endpoints, *(key(fields, name, file) for name in ("server_key", "public_key", "secret_key")))


def find_place(arguments):
    if arguments.insecure:
        return Place([arguments.coordinator or DEFAULT_ADDRESS])
    place = read_credentials(credentials_file(arguments.credentials))
    if arguments.coordinator:
        place.endpoints = [arguments.coordinator]
    return place


# --- The conversation -------------------------------------------------------------------------------------------------------------

class Conversation:
    """One connection: hello, questions, goodbye."""

    def __init__(self, envelope, place, endpoint, patience):
        self.envelope, self.endpoint, self.patience, self.requests = envelope, endpoint, patience, 0
        self.zmq = zmq = libraries()[0]
        if place.server_key and not zmq.has("curve"):
            raise Failure(FAILED, "this libzmq was built without CURVE; install one with it")
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.DEALER)
        for option, value in (
            # A new id for each connection: a ROUTER ignores a second one under an id that it believes to be alive.
            (zmq.ROUTING_ID, bytes([secrets.randbelow(255) + 1]) + secrets.token_bytes(15)), (zmq.IMMEDIATE, 1), (zmq.LINGER, 2000),
            (zmq.SNDHWM, 1000), (zmq.RCVHWM, 1000), (zmq.MAXMSGSIZE, MESSAGE_BYTES + (64 if place.server_key else 0)),
            (zmq.HEARTBEAT_IVL, 5000), (zmq.HEARTBEAT_TIMEOUT, 15000), (zmq.HEARTBEAT_TTL, 20000), (zmq.HANDSHAKE_IVL, 10000),
            (zmq.CONNECT_TIMEOUT, 5000), (zmq.RECONNECT_IVL, 200), (zmq.RECONNECT_IVL_MAX, 2000), (zmq.IPV6, int("[" in endpoint)),
        ):
            self.socket.setsockopt(option, value)
        try:
            if place.server_key:
                self.socket.curve_serverkey, self.socket.curve_publickey = place.server_key, place.public_key
                self.socket.curve_secretkey = place.secret_key
            self.monitor = self.socket.get_monitor_socket()
            self.socket.connect(endpoint)
        except zmq.ZMQError as error:
            self.context.destroy(linger=0)
            raise Failure(USAGE, f"{one_line(endpoint)}: {error.strerror}; write tcp://HOST:PORT, such as {DEFAULT_ADDRESS}") from None

    def __enter__(self):
        try:
            self.wait_for_connection()
            self.welcome = self.ask("hello", self.fill_hello, "welcome")
        except BaseException:
            self.context.destroy(linger=0)
            raise
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.send("goodbye", lambda goodbye: None, 0)
        self.socket.disable_monitor()
        self.context.destroy(linger=2000 if kind is None else 0)

    def wait_for_connection(self):
        """Waits for the handshake, and finds out why there is none."""
        zmq, deadline, reason = self.zmq, time.monotonic() + self.patience[0], "nobody answers"
        while time.monotonic() < deadline:
            if not self.monitor.poll(max(1, int((deadline - time.monotonic()) * 1000))):
                continue
            event = zmq.utils.monitor.recv_monitor_message(self.monitor)["event"]
            if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                return
            if event == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
                raise Failure(REFUSED, f"{self.endpoint} does not accept this key; ask for a join token")
            if event == zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL:
                reason = "it has another key than the one known here, or hung up during the handshake"
            elif event == zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL:
                reason = "it does not speak ZeroMQ as we do; one side wants keys and the other does not, perhaps"
        raise Failure(UNREACHABLE, f"no coordinator at {self.endpoint}: {reason}; start one with pseudoword coordinator")

    def fill_hello(self, hello):
        hello.protocol_major, hello.protocol_minor = VERSION
        hello.role = 2  # ROLE_CLIENT
        hello.worker_id = str(uuid.uuid4())
        hello.name = f"fleet-status-{os.getpid()}"
        hello.host = one_line(socket.gethostname(), 200) or "unknown"
        hello.pid = os.getpid()
        hello.program_version = "fleet_status.py 1"

    def send(self, kind, fill, request_id):
        message = self.envelope(protocol_major=VERSION[0], protocol_minor=VERSION[1], request_id=request_id)
        payload = getattr(message, kind)
        payload.SetInParent()
        fill(payload)
        try:
            self.socket.send_multipart([MAGIC, message.SerializeToString()], flags=self.zmq.NOBLOCK)
        except self.zmq.Again:
            raise Failure(UNREACHABLE, f"the connection to {self.endpoint} was lost") from None

    def ask(self, kind, fill, wanted):
        """One question and its answer."""
        self.requests += 1
        self.send(kind, fill, self.requests)
        deadline = time.monotonic() + self.patience[1]
        while self.socket.poll(max(0, int((deadline - time.monotonic()) * 1000))):
            answer = self.read(self.socket.recv_multipart())
            found = answer.WhichOneof("payload")
            if found == "goodbye":
                raise Failure(UNREACHABLE, f"the coordinator at {self.endpoint} is stopping")
            # A key that is revoked is told so in the middle of a conversation.
            if found == "denied":
                raise Failure(FAILED if answer.denied.code == 1 else REFUSED, one_line(answer.denied.reason))
            if answer.request_id != self.requests:
                continue
            if found == "error_reply":
                codes = {1: NOT_FOUND, 2: REFUSED, 3: USAGE}
                raise Failure(codes.get(answer.error_reply.code, FAILED), one_line(answer.error_reply.message))
            if found != wanted:
                raise Failure(FAILED, f"the coordinator at {self.endpoint} answered {kind} with {found}")
            return getattr(answer, wanted)
        raise Failure(UNREACHABLE, f"the coordinator at {self.endpoint} does not answer")

    def read(self, frames):
        if len(frames) != 2 or frames[0] != MAGIC:
            raise Failure(FAILED, f"what answers at {self.endpoint} is no coordinator of protocol {VERSION[0]}")
        try:
            return self.envelope.FromString(frames[1])
        except Exception:  # The library's own error has another class in each of its implementations.
            raise Failure(FAILED, f"the answer of {self.endpoint} cannot be read") from None


# --- What is printed --------------------------------------------------------------------------------------------------------------

def duration(seconds):
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds}s"
    return f"{seconds // 60}m{seconds % 60:02}s" if seconds < 3600 else f"{seconds // 3600}h{seconds // 60 % 60:02}m"


def study_line(study):
    parts = [f"{study.trials_complete}/{study.trial_count} trials complete", f"step {study.steps_done:.0f}/{study.steps_total:.0f}"]
    if study.encoded_parts < study.encode_parts:
        parts.append(f"{study.encoded_parts}/{study.encode_parts} parts of the pictures encoded")
    for name in ("running", "waiting", "failed", "pruned"):
        count = getattr(study, f"trials_{name}")
        if count:
            parts.append(f"{count} {name}")
    if study.HasField("best_trial"):
        best = next((trial for trial in study.trials if trial.index == study.best_trial), None)
        loss = f" {best.best_loss:.5f}" if best is not None and best.HasField("best_loss") else ""
        parts.append(f"best trial {study.best_trial}{loss}")
    if study.HasField("eta_seconds"):
        parts.append(f"ETA {duration(study.eta_seconds)}")
    if study.failure:
        parts.append(one_line(study.failure))
    return f"study  {one_line(study.name)}  {enum_name(study, 'state')}  " + ", ".join(parts)


def worker_line(worker):
    parts = []
    if worker.work:
        parts.append(f"{one_line(worker.work)} {one_line(worker.study)}" + (f" trial {worker.trial}" if worker.HasField("trial") else ""))
    if worker.HasField("step"):
        parts.append(f"step {worker.step}")
    if worker.HasField("steps_per_second"):
        parts.append(f"{worker.steps_per_second:.1f} steps/s")
    if worker.preparing:
        parts.append(one_line(worker.preparing))
    if worker.alarms:
        parts.append(f"{worker.alarms} results with other bits than others")
    parts += [f"heard {duration(worker.last_heard_seconds)} ago", f"{worker.threads} threads", f"on {one_line(worker.host)}"]
    return f"worker  {one_line(worker.name)}  {enum_name(worker, 'state')}  " + ", ".join(parts)


def is_degraded(status):
    return (
        bool(status.coordinator.problems)
        or any(enum_name(worker, "state") in ("stalled", "suspect", "lost") for worker in status.workers)
        or any(study.trials_failed for study in status.studies))


def show(status):
    coordinator = status.coordinator
    print(f"coordinator  {one_line(coordinator.endpoint)}  {one_line(coordinator.program_version)}  up {duration(coordinator.uptime_seconds)}")
    for problem in coordinator.problems:
        print(f"problem  {one_line(problem)}")
    for study in status.studies:
        print(study_line(study))
    for worker in status.workers:
        print(worker_line(worker))


# --- The program ------------------------------------------------------------------------------------------------------------------

def parse():
    parser = argparse.ArgumentParser(description="Asks a pseudoword coordinator for its status.", allow_abbrev=False)
    parser.add_argument("study", nargs="?", help="a study's name or number (default: all)")
    parser.add_argument("--coordinator", metavar="ADDRESS", help="tcp://HOST:PORT (default: what the credentials say)")
    parser.add_argument("--credentials", metavar="FILE", help="a JSON file with keys (default: as for pseudoword)")
    parser.add_argument("--insecure", action="store_true", help="speak without keys, to a coordinator that runs with --insecure")
    parser.add_argument("--all", action="store_true", help="ask for every trial, also of studies with many")
    parser.add_argument("--check", action="store_true", help="exit with 6 when something is wrong")
    parser.add_argument("--protos", metavar="FOLDER", default=PROTO_DOCS, type=pathlib.Path, help="the folder of the .proto files")
    parser.add_argument("--connect-timeout", metavar="SECONDS", type=float, default=3.0, help="how long to look for the coordinator")
    parser.add_argument("--timeout", metavar="SECONDS", type=float, default=15.0, help="how long to wait for an answer")
    arguments = parser.parse_args()
    address = r"tcp://([^\s:/\[\]]+|\[[0-9A-Fa-f:.%]+\]):[0-9]{1,5}"
    if arguments.coordinator is not None and not re.fullmatch(address, arguments.coordinator):
        parser.error(f"--coordinator takes an address such as {DEFAULT_ADDRESS}")
    return arguments


def fill_request(arguments):
    def fill(request):
        if arguments.study is not None:
            request.study = arguments.study
        request.all_trials = arguments.all
    return fill


def ask_for_status(arguments):
    place = find_place(arguments)
    envelope = envelope_class(arguments.protos)
    for left, endpoint in zip(range(len(place.endpoints) - 1, -1, -1), place.endpoints):
        try:
            with Conversation(envelope, place, endpoint, (arguments.connect_timeout, arguments.timeout)) as conversation:
                return conversation.ask("status_request", fill_request(arguments), "status_reply")
        except Failure as failure:
            # A coordinator may be known under several addresses, not all of which can be reached from here.
            if failure.code != UNREACHABLE or left == 0:
                raise
    raise Failure(FAILED, "the credentials name no address")


def main():
    arguments = parse()
    try:
        status = ask_for_status(arguments)
        show(status)
    except Failure as failure:
        print(f"fleet_status: {failure}", file=sys.stderr)
        return failure.code
    except KeyboardInterrupt:
        return 130
    return DEGRADED if arguments.check and is_degraded(status) else 0


if __name__ == "__main__":
    sys.exit(main())
