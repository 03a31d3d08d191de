# SPDX-License-Identifier: Apache-2.0
"""What PyTorch computes in f32 for the model that is timed, kept in the cache, and Pseudoword held against it.

The same folder keeps the UNet that was converted for OpenVINO. Both are named after the model's files and the versions of
what made them, so that none outlives what it describes.
"""

import hashlib
import importlib.metadata
import os
import sys

import peers
import processes

MAKER = os.path.join(os.path.dirname(peers.FOLDER), "make_reference.py")
CONVERTER = os.path.join(peers.FOLDER, "openvino_convert.py")
# Of the pseudo-word, in the timed steps too.
VECTORS = 4


def fingerprint(model, makers, packages):
    """Return a short name for these files as they are, the scripts that read them, and the packages' versions."""
    digest = hashlib.sha256()
    for folder, subfolders, names in os.walk(model):
        subfolders.sort()
        for name in sorted(names):
            state = os.stat(os.path.join(folder, name))
            digest.update(f"{os.path.relpath(folder, model)}/{name} {state.st_size} {state.st_mtime_ns}\n".encode())
    for maker in makers:
        with open(maker, "rb") as file:
            digest.update(file.read())
    for package in packages:
        digest.update(f"{package} {importlib.metadata.version(package)}\n".encode())
    return digest.hexdigest()[:12]


def kept(options, model, resolution, batch, kind, makers, packages, suffix=""):
    """Return the path in the cache for something that is made of a model, resolution and batch."""
    model = os.path.realpath(model)
    name = f"{os.path.basename(model)}-{resolution}-{batch}-{fingerprint(model, makers, packages)}{suffix}"
    folder = os.path.join(options.cache, kind)
    os.makedirs(folder, exist_ok=True)
    return os.path.join(folder, name)


def make_reference(options, model, resolution, batch, variables):
    """Return the file with PyTorch's results, which is computed if the cache lacks it."""
    packages = ("torch", "diffusers", "transformers")
    path = kept(options, model, resolution, batch, "references", [MAKER], packages, ".safetensors")
    if os.path.exists(path):
        return path
    print("Computing a reference in PyTorch, f32", file=sys.stderr, flush=True)
    size = ["--batch", str(batch), "--vectors", str(VECTORS), "--height", str(resolution), "--width", str(resolution)]
    processes.run([sys.executable, MAKER, model, f"{path}.partial", *size], variables, reports=False)
    os.rename(f"{path}.partial", path)
    return path


def convert(options, model, resolution, batch, variables):
    """Return the folder with the UNet in OpenVINO's format, which is converted if the cache lacks it."""
    folder = kept(options, model, resolution, batch, "openvino", [CONVERTER], ("torch", "diffusers", "openvino"))
    if not os.path.isdir(folder):
        print("Converting the UNet for OpenVINO", file=sys.stderr, flush=True)
        size = ["--resolution", str(resolution), "--batch", str(batch)]
        processes.run([sys.executable, CONVERTER, "--model", model, "--out", folder, *size], variables, reports=False)
    return folder


def verify(options, model, reference, variables, arguments=()):
    """Return Pseudoword's differences from the reference, as the peers report theirs, and whether all outputs pass."""
    command = [options.pseudoword, "model", "verify", model, reference, *arguments]
    command += ["--threads", str(options.threads), "--output", "json"]
    # It ends with 1 when an output is outside its tolerance, and reports all the same.
    report = processes.run(command, variables, accepted=(0, 1))
    outputs = {output["name"]: output for output in report["outputs"]}
    return {
        "loss_error": outputs["loss"]["relative_error"],
        "gradient_error": outputs["embedding_gradient"]["relative_error"],
        "gradient_cosine": outputs["embedding_gradient"]["cosine"],
        "prediction_error": outputs["noise_prediction"]["relative_error"],
        "passed": report["passed"],
        "outside": [name for name, output in outputs.items() if not output["passed"]],
    }
