# SPDX-License-Identifier: Apache-2.0
"""What machine this is, and how much of it other programs take."""

import os
import platform
import subprocess

EXTENSIONS = ("avx2", "avx512f", "avx512_bf16", "amx_tile", "amx_bf16")


def cpuinfo():
    """Return the processor's name and its set of flags."""
    name, flags = platform.machine(), set()
    with open("/proc/cpuinfo") as file:
        for line in file:
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                name = value.strip()
            if key.strip() == "flags":
                flags = set(value.split())
    return name, flags


def has_bf16():
    """Return whether the processor multiplies bf16 itself; where it does not, bf16 is emulated and slower than f32."""
    return not cpuinfo()[1].isdisjoint({"avx512_bf16", "amx_bf16"})


def describe():
    """Return the processor's name, which of the vector extensions that matter it has, its cores, and the kernel."""
    name, flags = cpuinfo()
    extensions = ", ".join(flag for flag in EXTENSIONS if flag in flags)
    return f"{name} ({extensions or 'no AVX2'}), {os.cpu_count()} cores, Linux {platform.release()}"


def busy_seconds():
    """Return the CPU seconds that all programs together have taken since boot, and those stolen by the host."""
    with open("/proc/stat") as file:
        user, nice, system, _, _, irq, softirq, steal = map(int, file.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def revision():
    """Return the commit of this tree, or nothing outside a clone."""
    folder = os.path.dirname(os.path.abspath(__file__))
    try:
        described = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, cwd=folder)
    except FileNotFoundError:
        return ""
    return described.stdout.strip()
