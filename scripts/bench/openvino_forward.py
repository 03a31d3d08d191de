# SPDX-License-Identifier: Apache-2.0
"""Time OpenVINO's forward pass of a UNet that openvino_convert.py wrote. OpenVINO does not train: there is no backward pass.

    openvino_forward.py --network FOLDER [--threads 2] [--steps 7] [--precision f32]

Prints one JSON object. With --reference, the noise prediction for that file's inputs is computed after the timed passes.
"""

import argparse
import json
import os
import resource
import statistics
import sys
import time

sys.modules["openvino_telemetry"] = None

import numpy as np
import openvino
from safetensors.numpy import load_file

PREDICTION = "noise_prediction"
INPUTS = ("noisy_latents", "timesteps", "encoder_hidden_states")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", required=True, help="the folder with unet.xml")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=7, help="timed passes")
    parser.add_argument("--warmup", type=int, default=3, help="passes before the timed ones")
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--reference", metavar="FILE", help="afterwards hold the noise prediction against this file")
    return parser.parse_args()


def compile_network(options):
    """Return the compiled network; end if it would not run in the precision that was asked for."""
    hints = {
        "INFERENCE_PRECISION_HINT": options.precision,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": options.threads,
    }
    compiled = openvino.Core().compile_model(os.path.join(options.network, "unet.xml"), "CPU", hints)
    actual = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
    if actual != options.precision:
        sys.exit(f"OpenVINO computes in {actual} here")
    return compiled


def draw(compiled, generator):
    """Return random latents, timesteps and context in the shapes of the network's inputs."""
    latents, timesteps, context = (tuple(port.shape) for port in compiled.inputs)
    return [
        generator.standard_normal(latents, dtype=np.float32),
        generator.integers(0, 1000, timesteps),
        generator.standard_normal(context, dtype=np.float32),
    ]


def main():
    options = parse_arguments()
    started = time.perf_counter()
    compiled = compile_network(options)
    request = compiled.create_infer_request()
    loaded = time.perf_counter() - started
    generator = np.random.default_rng(0)
    seconds = []
    for _ in range(options.warmup + options.steps):
        inputs = draw(compiled, generator)
        begun = time.perf_counter()
        request.infer(inputs, share_inputs=True, share_outputs=True)
        seconds.append(time.perf_counter() - begun)
    seconds = seconds[options.warmup :]
    result = {
        "program": "openvino",
        "threads": options.threads,
        "precision": options.precision,
        "steps": options.steps,
        "seconds_per_step": statistics.median(seconds),
        "fastest_step": min(seconds),
        "phases": {"unet_forward": statistics.median(seconds)},
        "load_seconds": loaded,
        # Linux counts ru_maxrss in KiB.
        "peak_resident_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "versions": {"openvino": openvino.__version__.split("-")[0]},
    }
    if options.reference:
        reference = load_file(options.reference)
        request.infer([reference[name] for name in INPUTS], share_inputs=True)
        expected = reference[PREDICTION].astype(np.float64)
        difference = request.get_output_tensor().data.astype(np.float64) - expected
        result["against_reference"] = {"prediction_error": float(np.linalg.norm(difference) / np.linalg.norm(expected))}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
