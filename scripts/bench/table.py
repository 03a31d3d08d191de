# SPDX-License-Identifier: Apache-2.0
"""The report: a table of training steps, a table of the UNet's forward pass alone, and what to know about them."""

import statistics

PHASES = ("picture", "text_encoder", "unet_forward", "unet_backward", "optimizer")
BUSY = 0.05
# What Pseudoword's loss and gradient are held to in f32. In bf16 nobody reaches that.
TOLERANCES = {"loss_error": 1e-4, "gradient_error": 1e-3}


def median(runs, *keys):
    """Return the median over the runs of a number, which stands under these keys of each."""
    values = []
    for report in runs:
        for key in keys:
            report = report[key]
        values.append(report)
    return statistics.median(values)


def gigabytes(value):
    return f"{value / 1e9:.2f} GB"


def print_row(cells):
    print(f"| {' | '.join(cells)} |")


def print_head(names):
    print_row(names)
    print("|" + "---|" * len(names))


def memory(runs, ours):
    """Return the peak memory, and its ratio to Pseudoword's."""
    own = median(runs, "peak_resident_bytes")
    return gigabytes(own) if runs is ours else f"{gigabytes(own)} ({own / median(ours, 'peak_resident_bytes'):.2f})"


def agrees(check, precision):
    """Return whether loss and gradient are within the f32 tolerances; bf16 is judged by the reader."""
    return precision != "f32" or all(check[name] <= limit for name, limit in TOLERANCES.items())


def agreement(check, precision):
    """Return how far loss and gradient are from PyTorch's in f32, in bold where that is too far."""
    if check is None:
        return "not checked"
    errors = f"{check['loss_error']:.1e}, {check['gradient_error']:.1e}, {check['gradient_cosine']:.6f}"
    return errors if agrees(check, precision) else f"**{errors}**"


def print_steps(ours, rows, verified):
    """Print the table of training steps; rows are (title, runs, check or reason to be skipped)."""
    print_head(
        ["", "s/step", "times Pseudoword's", "fastest", "picture", "text encoder", "UNet forward", "UNet backward", "optimizer"]
        + ["GFLOP/s", "peak memory", "load", "loss, gradient, its cosine"]
    )
    seconds = median(ours, "seconds_per_step")
    work = seconds * median(ours, "gflops_per_second")
    for title, runs, check in [("Pseudoword", ours, verified), *rows]:
        if not runs:
            print_row([title, check, *[""] * 11])
            continue
        own = median(runs, "seconds_per_step")
        fastest = min(report["fastest_step"] for report in runs)
        phases = [f"{median(runs, 'phases', name):.4g}" if name in runs[0]["phases"] else "" for name in PHASES]
        speed = [f"{own:.4g}", f"{own / seconds:.2f}", f"{fastest:.4g}", *phases, f"{work / own:.0f}"]
        print_row([title, *speed, memory(runs, ours), f"{median(runs, 'load_seconds'):.3g} s", agreement(check, runs[0]["precision"])])


def print_forward(ours, rows, verified):
    """Print the table of the forward pass alone; rows are (title, runs, check or reason to be skipped)."""
    print("\nUNet forward alone\n")
    print_head(["", "s", "times Pseudoword's", "peak memory", "load", "noise prediction"])
    seconds = median(ours, "phases", "unet_forward")
    for title, runs, check in [("Pseudoword, within a step", ours, verified), *rows]:
        if not runs:
            print_row([title, check, *[""] * 4])
            continue
        own = median(runs, "phases", "unet_forward")
        within = "unet_backward" in runs[0]["phases"]
        costs = ["of the step", ""] if within else [memory(runs, ours), f"{median(runs, 'load_seconds'):.3g} s"]
        error = (check or {}).get("prediction_error")
        print_row([title, f"{own:.4g}", f"{own / seconds:.2f}", *costs, "" if error is None else f"{error:.1e}"])


def print_notes(everybody, verified, steps):
    """Print whether Pseudoword passed, what the columns mean, and whether the machine was idle."""
    if verified is None:
        print("\nThere is no reference to hold the results against.")
    elif verified["passed"]:
        print("\n`pseudoword model verify` passed: every output is within tolerance of PyTorch's.")
    else:
        print(f"\n**`pseudoword model verify` failed**: outside tolerance {', '.join(verified['outside'])}.")
    print("The last column is the relative error against PyTorch in f32 for the same inputs, and the cosine of the two gradients.")
    print("Bold means that a program in f32 misses the tolerances that Pseudoword is held to: its time is that of another computation.")
    print("GFLOP/s count Pseudoword's work for everybody. Load leaves out a program's imports and what it puts off to its first step.")
    others = [report["others_share"] for report in everybody]
    print(f"Medians of {steps} steps a run. Other programs took {statistics.median(others):.0%} of the machine (at most {max(others):.0%}).")
    if max(others) > BUSY:
        print("**The machine was not idle: these numbers do not count.** PyTorch's threads wait for the slowest of them, so")
        print("that a busy neighbour can cost it more than its share.")
