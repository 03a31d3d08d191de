# SPDX-License-Identifier: Apache-2.0
"""Whom Pseudoword is timed against, itself with other settings among them: one table of peers, and why one of them cannot run here."""

import argparse
import importlib.util
import os
import shutil
from dataclasses import dataclass

import machine

FOLDER = os.path.dirname(os.path.abspath(__file__))


@dataclass(frozen=True)
class Peer:
    """A program that computes a step, or only the UNet's forward pass, and a way to run it."""

    name: str
    title: str
    script: str
    arguments: tuple[str, ...] = ()
    bf16: bool = False
    trains: bool = True

    @property
    def is_pseudoword(self):
        return not self.script

    @property
    def from_network(self):
        """Whether it reads a converted network instead of the model folder."""
        return self.script == "openvino_forward.py"

    @property
    def path(self):
        return os.path.join(FOLDER, self.script)

    def obstacle(self, model):
        """Return in a few words why it cannot run here, or None."""
        if self.bf16 and not machine.has_bf16():
            return "not on this processor"
        if any(argument.startswith("compile") for argument in self.arguments) and not cxx_compiler():
            return "needs a C++ compiler"
        if self.script == "stock_loop.py":
            missing = [part for part in ("vae", "scheduler") if not os.path.isdir(os.path.join(model, part))]
            if missing:
                return f"the model has no {missing[0]}"
        if self.from_network and importlib.util.find_spec("openvino") is None:
            return "package openvino is not installed"
        return None


BF16 = ("--precision", "bf16")
LEAN = ("--memory", "lean")
PEERS = [
    Peer("pseudoword-lean", "Pseudoword, lean", "", LEAN),
    Peer("pseudoword-bf16", "Pseudoword, bf16", "", BF16, bf16=True),
    Peer("pseudoword-bf16-lean", "Pseudoword, bf16, lean", "", BF16 + LEAN, bf16=True),
    Peer("eager", "PyTorch, eager", "pytorch_step.py"),
    Peer("channels-last", "PyTorch, channels last", "pytorch_step.py", ("--variant", "channels-last")),
    Peer("compile", "PyTorch, torch.compile", "pytorch_step.py", ("--variant", "compile")),
    # With its layout optimization torch 2.13 has been seen to get the starter model's gradient wrong (cosine 0.94 with eager's, on AVX2).
    Peer("compile-no-layout", "PyTorch, torch.compile, layout_optimization off", "pytorch_step.py", ("--variant", "compile-no-layout")),
    Peer("bf16", "PyTorch, eager, bf16 weights", "pytorch_step.py", BF16, bf16=True),
    Peer("stock", "diffusers' loop", "stock_loop.py"),
    Peer("stock-bf16", "diffusers' loop, bf16 weights", "stock_loop.py", BF16, bf16=True),
    Peer("forward", "PyTorch, eager", "pytorch_forward.py", trains=False),
    Peer("forward-bf16", "PyTorch, eager, bf16 weights", "pytorch_forward.py", BF16, bf16=True, trains=False),
    Peer("openvino", "OpenVINO", "openvino_forward.py", trains=False),
    Peer("openvino-bf16", "OpenVINO, bf16", "openvino_forward.py", BF16, bf16=True, trains=False),
]
NAMES = [peer.name for peer in PEERS]


def cxx_compiler():
    """Return the C++ compiler that torch.compile would call, or None."""
    candidates = [os.environ["CXX"]] if os.environ.get("CXX") else ["g++", "clang++"]
    return next(filter(None, map(shutil.which, candidates)), None)


def chosen(text):
    """Return the peers of a list like eager,stock, in the order of the table; for argparse."""
    names = [name for name in text.split(",") if name]
    unknown = [name for name in names if name not in NAMES]
    if unknown or not names:
        problem = f"no peer is called {unknown[0]!r}" if unknown else "names no peer"
        raise argparse.ArgumentTypeError(f"{problem}; there are {', '.join(NAMES)}")
    return [peer for peer in PEERS if peer.name in names]
