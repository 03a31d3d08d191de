# SPDX-License-Identifier: Apache-2.0
"""Run `pseudoword bench step` and pytorch_step.py in turns and print a table of both.

Started by scripts/bench-against-pytorch. Every run is a fresh process. Peak memory is what the kernel says of that process
(ru_maxrss), for both programs alike.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time

# These tune OpenBLAS for one kind of machine; whoever sets them for other work did not mean this comparison.
TUNING = ["OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"]
COUNTERPART = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pytorch_step.py")
BUSY = 0.05


def parse_arguments():
    parser = argparse.ArgumentParser(prog="bench-against-pytorch", description=__doc__.splitlines()[0])
    parser.add_argument("--pseudoword", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--sd15", help=argparse.SUPPRESS)
    parser.add_argument("--starter", help=argparse.SUPPRESS)
    parser.add_argument("--model", help="one row with this model folder, or starter (default: two rows, sd15 and starter)")
    parser.add_argument("--resolution", type=int, help="pixels (default: 512, starter 128)")
    parser.add_argument("--batch", type=int, help="samples of a step (default: 1, starter 4)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, help="timed steps of each run (default: 5, starter 50)")
    parser.add_argument("--rounds", type=int, default=2, help="runs of each program, in turns")
    parser.add_argument("--variant", choices=["eager", "channels-last", "compile"], default="eager", help="how PyTorch runs")
    parser.add_argument("--json", metavar="FILE", help="also write every run to FILE")
    return parser.parse_args()


def rows(options):
    """Return (title, pseudoword's model, PyTorch's model, resolution, batch, steps, warm-up) of each comparison."""
    starter = ("starter model", "starter", options.starter, 128, 4, 50, 10)
    if options.model is None:
        chosen = [("Stable Diffusion 1.5's size", options.sd15, options.sd15, 512, 1, 5, 2), starter]
    elif options.model == "starter":
        chosen = [starter]
    else:
        chosen = [(options.model, options.model, options.model, 512, 1, 5, 2)]
    return [
        (title, ours, theirs, options.resolution or resolution, options.batch or batch, options.steps or steps, warmup)
        for title, ours, theirs, resolution, batch, steps, warmup in chosen
    ]


def busy_seconds():
    """Return the CPU seconds that all programs together have taken since boot, and those stolen by the host."""
    with open("/proc/stat") as file:
        user, nice, system, _, _, irq, softirq, steal = map(int, file.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def run(command, environment):
    """Run one program to its end; return its report with peak memory and other programs' share of the machine."""
    started, busy = time.monotonic(), busy_seconds()
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        child = subprocess.Popen(command, stdout=output, stderr=errors, env=environment, text=True)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0), errors.seek(0)
        if child.returncode != 0:
            sys.exit(f"{errors.read()}bench-against-pytorch: exit code {child.returncode} from: {' '.join(command)}")
        report = json.loads(output.read().strip().splitlines()[-1] if "pytorch_step" in command[1] else output.read())
    elapsed = time.monotonic() - started
    others = busy_seconds() - busy - usage.ru_utime - usage.ru_stime
    report["peak_resident_bytes"] = usage.ru_maxrss * 1024
    report["others_share"] = max(0.0, others / elapsed / os.cpu_count())
    report["command"] = command
    return report


def processor():
    """Return the processor's name and which of the vector extensions that matter it has."""
    name, flags = platform.machine(), set()
    with open("/proc/cpuinfo") as file:
        for line in file:
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                name = value.strip()
            if key.strip() == "flags":
                flags = set(value.split())
    extensions = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_tile") if flag in flags]
    return f"{name} ({', '.join(extensions) or 'no AVX2'}), {os.cpu_count()} cores"


def revision():
    """Return the commit of this tree, or nothing outside a clone."""
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, cwd=os.path.dirname(COUNTERPART)
    )
    return described.stdout.strip()


def median(runs, *keys):
    values = []
    for report in runs:
        for key in keys:
            report = report[key]
        values.append(report)
    return statistics.median(values)


def show(title, resolution, batch, options, ours, theirs):
    """Print the table of one row, and the ratios."""
    print(f"\n### {title}, {resolution} pixels, batch {batch}, f32, {options.threads} threads\n")
    print("| | s/step | fastest | text encoder | UNet forward | UNet backward | optimizer | GFLOP/s | peak memory |")
    print("|---|---|---|---|---|---|---|---|---|")
    work = median(ours, "seconds_per_step") * median(ours, "gflops_per_second")
    for name, runs in (("Pseudoword", ours), (f"PyTorch, {options.variant}", theirs)):
        seconds = median(runs, "seconds_per_step")
        phases = [median(runs, "phases", key) for key in ("text_encoder", "unet_forward", "unet_backward", "optimizer")]
        fastest = min(report["fastest_step"] for report in runs)
        cells = [f"{value:.4g}" for value in (seconds, fastest, *phases)]
        print(f"| {name} | {' | '.join(cells)} | {work / seconds:.0f} | {median(runs, 'peak_resident_bytes') / 1e9:.2f} GB |")
    time_ratio = median(theirs, "seconds_per_step") / median(ours, "seconds_per_step")
    memory_ratio = median(theirs, "peak_resident_bytes") / median(ours, "peak_resident_bytes")
    print(f"\nPyTorch takes {time_ratio:.2f} times Pseudoword's time and {memory_ratio:.2f} times its memory.")
    others = [report["others_share"] for report in ours + theirs]
    print(f"Other programs took {statistics.median(others):.0%} of the machine (at most {max(others):.0%}).")
    if max(others) > BUSY:
        print("**The machine was not idle: these numbers do not count.** PyTorch's threads wait for the slowest of them, so")
        print("that a busy neighbour can cost it more than its share.")


def main():
    options = parse_arguments()
    environment = {name: value for name, value in os.environ.items() if name not in TUNING}
    load = os.getloadavg()[0]
    record, versions = [], {}
    for title, ours_model, theirs_model, resolution, batch, steps, warmup in rows(options):
        shape = ["--resolution", str(resolution), "--batch", str(batch), "--threads", str(options.threads)]
        shape += ["--steps", str(steps), "--warmup", str(warmup)]
        ours_command = [options.pseudoword, "bench", "step", "--model", ours_model, *shape, "--output", "json"]
        theirs_command = [sys.executable, COUNTERPART, "--model", theirs_model, *shape, "--variant", options.variant]
        ours, theirs = [], []
        for number in range(options.rounds):
            for runs, command in ((ours, ours_command), (theirs, theirs_command)):
                program = "Pseudoword" if runs is ours else "PyTorch"
                print(f"{title}: round {number + 1} of {options.rounds}, {program}", file=sys.stderr, flush=True)
                runs.append(run(command, environment))
        show(title, resolution, batch, options, ours, theirs)
        sys.stdout.flush()
        versions = theirs[0]["versions"]
        record.append({"title": title, "pseudoword": ours, "pytorch": theirs})
    machine = f"{processor()}, Linux {platform.release()}, load {load:.2f} at the start"
    programs = ", ".join([f"pseudoword {revision()}".strip(), *(f"{name} {version}" for name, version in versions.items())])
    print(f"\nMedians of {options.rounds} runs in turns, each a fresh process. {machine}. {programs}.")
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"machine": machine, "programs": programs, "rows": record}, file, indent=2)


if __name__ == "__main__":
    main()
