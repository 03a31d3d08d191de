#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The loop of `fleet-bench sync` over torch.distributed's gloo: each rank sleeps, then the gradients are summed everywhere.

    python scripts/bench/gloo_sync.py [--workers 8] [--sleep 100] [--steps 40]

Needs torch. Prints the median and the worst time of a step over the sleep. It ends with everybody dead when one rank dies, and keeps
nothing on disk; that is what it saves.
"""

import argparse
import os
import socket
import time

import torch
import torch.distributed as dist
import torch.multiprocessing as mp


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def rank_main(rank, options, port, report):
    os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"] = "127.0.0.1", str(port)
    torch.set_num_threads(1)
    dist.init_process_group("gloo", rank=rank, world_size=options.workers)
    gradient = torch.full((2, 768), float(rank))
    overheads = []
    for step in range(options.steps):
        started = time.perf_counter()
        time.sleep(options.sleep / 1000)
        dist.all_reduce(gradient)
        gradient.fill_(float(rank))
        if step >= 3:
            overheads.append((time.perf_counter() - started) * 1000 - options.sleep)
    if rank == 0:
        report.put(sorted(overheads))
    dist.destroy_process_group()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--sleep", type=float, default=100)
    parser.add_argument("--steps", type=int, default=40)
    options = parser.parse_args()
    context = mp.get_context("spawn")
    report = context.Queue()
    mp.spawn(rank_main, args=(options, free_port(), report), nprocs=options.workers, join=True)
    overheads = report.get()
    print(f"gloo: {options.workers} ranks, {options.sleep:.0f} ms of sleep, {len(overheads)} steps:")
    print(f"  over the sleep: median {overheads[len(overheads) // 2]:.2f} ms, worst {overheads[-1]:.2f} ms")


if __name__ == "__main__":
    main()
