# SPDX-License-Identifier: Apache-2.0
"""Run a program to its end as a fresh process: its report, its peak memory, and who else used the machine meanwhile."""

import json
import os
import signal
import subprocess
import tempfile
import time

import machine

# These tune OpenBLAS for one kind of machine; whoever sets them for other work did not mean this comparison.
TUNING = ["OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"]


class Failure(Exception):
    """A program that did not do what it should; the text is one line for people."""


def environment(threads):
    """Return the environment of every program: the caller's without OpenBLAS tuning, and the same number of threads for all."""
    kept = {name: value for name, value in os.environ.items() if name not in TUNING}
    return kept | {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}


def last_line(text):
    """Return the last line that says anything, without what would break a table."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return (lines[-1] if lines else "it said nothing").replace("|", "/")[:160]


def why(code, errors):
    """Return in one line why a program ended with this exit code."""
    if code >= 0:
        return f"failed: {last_line(errors)}"
    name = signal.Signals(-code).name
    return f"ended by {name}" + (", perhaps for lack of memory" if name == "SIGKILL" else "")


def parse(output):
    """Return the JSON object that is the whole output, or its last line."""
    try:
        return json.loads(output)
    except ValueError:
        pass
    return json.loads(output.strip().splitlines()[-1])


def run(command, variables, accepted=(0,), reports=True):
    """Run one program; return its report with peak memory and other programs' share of the machine, or raise Failure.

    Exit codes other than those accepted are failures. A program that reports nothing gets a report from here.
    """
    started, busy = time.monotonic(), machine.busy_seconds()
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        try:
            child = subprocess.Popen(command, stdout=output, stderr=errors, env=variables, text=True)
        except OSError as error:
            raise Failure(f"cannot start {command[0]}: {error.strerror}") from None
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0), errors.seek(0)
        if child.returncode not in accepted:
            raise Failure(why(child.returncode, errors.read()))
        try:
            report = parse(output.read()) if reports else {}
        except (ValueError, IndexError):
            errors.seek(0)
            raise (Failure(why(child.returncode, errors.read())) if child.returncode else Failure("it wrote no report")) from None
    elapsed = time.monotonic() - started
    others = machine.busy_seconds() - busy - usage.ru_utime - usage.ru_stime
    # The kernel's word for every program alike; Linux counts ru_maxrss in KiB.
    report["peak_resident_bytes"] = usage.ru_maxrss * 1024
    report["others_share"] = max(0.0, others / elapsed / os.cpu_count())
    report["elapsed_seconds"] = elapsed
    report["command"] = command
    return report
