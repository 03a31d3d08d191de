# SPDX-License-Identifier: Apache-2.0
"""Run `pseudoword bench step` and its peers in turns and print one table of all.

Started by scripts/bench-against-pytorch. Every run is a fresh process. Peak memory is what the kernel says of that process
(ru_maxrss), for all programs alike. Uses the standard library only: what it holds itself counts in nobody's memory.
"""

import argparse
import json
import os
import sys

import machine
import peers
import processes
import reference
import table

PROGRAM = "bench-against-pytorch"


def positive(text):
    """Return a whole number of at least 1, for argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, not {text!r}")
    return int(text)


class Parser(argparse.ArgumentParser):
    """Says in one line what is wrong."""

    def error(self, message):
        self.exit(2, f"{self.prog}: {message}\n")


def parse_arguments():
    parser = Parser(prog=PROGRAM, description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--pseudoword", help=argparse.SUPPRESS)
    parser.add_argument("--cache", help=argparse.SUPPRESS)
    parser.add_argument("--sd15", help=argparse.SUPPRESS)
    parser.add_argument("--starter", help=argparse.SUPPRESS)
    parser.add_argument("--check-options", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--model", help="this model folder alone, or starter (default: sd15's size, and starter)")
    parser.add_argument("--peers", type=peers.chosen, default=peers.PEERS, metavar="A,B", help=f"some of {', '.join(peers.NAMES)}")
    parser.add_argument("--resolution", type=positive, help="pixels (default: 512, starter 128)")
    parser.add_argument("--batch", type=positive, help="samples of a step (default: 1, starter 4)")
    parser.add_argument("--threads", type=positive, default=2)
    parser.add_argument("--steps", type=positive, help="timed steps of each run (default: 7, starter 50)")
    parser.add_argument("--warmup", type=positive, help="steps before them (default: 3, starter 10)")
    parser.add_argument("--rounds", type=positive, default=2, help="runs of each program, in turns")
    parser.add_argument("--json", metavar="FILE", help="also write every run to FILE")
    options = parser.parse_args()
    if options.model not in (None, "starter") and not os.path.isdir(os.path.join(options.model, "unet")):
        parser.error(f"--model {options.model}: expected a model folder in diffusers' layout, or starter")
    if options.json and not os.path.isdir(os.path.dirname(os.path.abspath(options.json))):
        parser.error(f"--json {options.json}: there is no such folder")
    return options


def comparisons(options):
    """Return (title, pseudoword's model, PyTorch's model, resolution, batch, steps, warm-up) of each table."""
    starter = ("starter model", "starter", options.starter, 128, 4, 50, 10)
    if options.model is None:
        chosen = [("Stable Diffusion 1.5's size", options.sd15, options.sd15, 512, 1, 7, 3), starter]
    elif options.model == "starter":
        chosen = [starter]
    else:
        chosen = [(options.model, options.model, options.model, 512, 1, 7, 3)]
    return [
        (title, ours, theirs, options.resolution or resolution, options.batch or batch, options.steps or steps, options.warmup or warmup)
        for title, ours, theirs, resolution, batch, steps, warmup in chosen
    ]


class Comparison:
    """Pseudoword and its peers on one model: what they ran, what was skipped and why, and how they agree."""

    def __init__(self, options, title, ours_model, model, resolution, batch, steps, warmup):
        self.options, self.title, self.ours_model, self.model = options, title, ours_model, model
        self.resolution, self.batch, self.steps = resolution, batch, steps
        self.count = ["--threads", str(options.threads), "--steps", str(steps), "--warmup", str(warmup)]
        self.shape = ["--resolution", str(resolution), "--batch", str(batch), *self.count]
        self.variables = processes.environment(options.threads)
        self.ours, self.runs = [], {peer.name: [] for peer in options.peers}
        self.checks, self.skipped = {}, {}
        self.reference, self.network, self.verified = None, None, None

    def prepare(self):
        """Find out who can run, and get the reference and the converted network."""
        self.skipped = {peer.name: reason for peer in self.options.peers if (reason := peer.obstacle(self.model))}
        where = (self.options, self.model, self.resolution, self.batch, self.variables)
        try:
            self.reference = reference.make_reference(*where)
            self.verified = reference.verify(self.options, self.ours_model, self.reference, self.variables)
        except processes.Failure as failure:
            print(f"{PROGRAM}: no reference, or nothing held against it: {failure}", file=sys.stderr)
        readers = [peer for peer in self.options.peers if peer.from_network and peer.name not in self.skipped]
        try:
            self.network = reference.convert(*where) if readers else None
        except processes.Failure as failure:
            self.skipped |= {peer.name: f"conversion {failure}" for peer in readers}

    def own_command(self, *arguments):
        return [self.options.pseudoword, "bench", "step", "--model", self.ours_model, *self.shape, *arguments, "--output", "json"]

    def command(self, peer):
        """Return the command of a peer; its first run is held against the reference after its timed steps."""
        if peer.is_pseudoword:
            return self.own_command(*peer.arguments)
        source = ["--network", self.network, *self.count] if peer.from_network else ["--model", self.model, *self.shape]
        check = ["--reference", self.reference] if self.reference and not self.runs[peer.name] else []
        return [sys.executable, peer.path, *source, *peer.arguments, *check]

    def run(self):
        """Run everybody in turns."""
        for number in range(self.options.rounds):
            self.say(number, "Pseudoword")
            self.ours.append(processes.run(self.own_command(), self.variables))
            for peer in self.options.peers:
                if peer.name in self.skipped:
                    continue
                self.say(number, peer.name)
                try:
                    report = processes.run(self.command(peer), self.variables)
                    if peer.name not in self.checks:
                        self.checks[peer.name] = self.check(peer, report)
                except processes.Failure as failure:
                    self.skipped[peer.name] = str(failure)
                    self.runs[peer.name] = []
                    continue
                self.runs[peer.name].append(report)

    def check(self, peer, report):
        """Return how the peer's first run agrees with the reference."""
        if peer.is_pseudoword and self.reference:
            return reference.verify(self.options, self.ours_model, self.reference, self.variables, peer.arguments)
        return report.get("against_reference")

    def say(self, number, who):
        print(f"{self.title}: round {number + 1} of {self.options.rounds}, {who}", file=sys.stderr, flush=True)

    def show(self):
        """Print both tables."""
        print(f"\n### {self.title}, {self.resolution} pixels, batch {self.batch}, {self.options.threads} threads\n")
        rows = {True: [], False: []}
        for peer in self.options.peers:
            runs = self.runs[peer.name]
            rows[peer.trains].append((peer.title, runs, self.skipped.get(peer.name) or self.checks.get(peer.name)))
        table.print_steps(self.ours, rows[True], self.verified)
        if rows[False]:
            within = [("PyTorch, eager, within a step", self.runs["eager"], None)] if self.runs.get("eager") else []
            table.print_forward(self.ours, within + rows[False], self.verified)
        everybody = self.ours + sum(self.runs.values(), [])
        table.print_notes(everybody, self.verified, self.steps)
        sys.stdout.flush()

    def record(self):
        """Return every run, for --json."""
        runs = {"pseudoword": self.ours} | self.runs
        return {"title": self.title, "runs": runs, "skipped": self.skipped, "verified": self.verified, "checks": self.checks}


def main():
    options = parse_arguments()
    if options.check_options:
        return 0
    load = os.getloadavg()[0]
    done, versions = [], {}
    for arguments in comparisons(options):
        comparison = Comparison(options, *arguments)
        comparison.prepare()
        comparison.run()
        comparison.show()
        done.append(comparison)
        for runs in comparison.runs.values():
            versions |= runs[0].get("versions", {}) if runs else {}
    described = f"{machine.describe()}, load {load:.2f} at the start"
    programs = ", ".join([f"pseudoword {machine.revision()}".strip(), *(f"{name} {version}" for name, version in versions.items())])
    print(f"\nRounds: {options.rounds}, all in turns, every run a fresh process. {described}. {programs}.")
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"machine": described, "programs": programs, "rows": [each.record() for each in done]}, file, indent=2)
    own = [check for each in done for check in (each.verified, *each.checks.values()) if check]
    return 0 if all(check.get("passed", True) for check in own) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except processes.Failure as failure:
        sys.exit(f"{PROGRAM}: Pseudoword {failure}")
    except KeyboardInterrupt:
        sys.exit(130)
