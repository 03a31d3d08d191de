# SPDX-License-Identifier: Apache-2.0
"""What the PyTorch programs of the benchmark share: options, frozen networks, random inputs, the reference, the report."""

import argparse
import json
import os
import resource
import statistics
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
os.environ.setdefault("TQDM_DISABLE", "1")

import diffusers
import torch
import transformers
from safetensors.torch import load_file

PLACEHOLDER_POSITION = 5
TYPES = {"f32": torch.float32, "bf16": torch.bfloat16}


def argument_parser(description):
    """Return a parser with the options that all these programs have."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--model", required=True, help="a model folder in diffusers' layout")
    parser.add_argument("--resolution", type=int, default=512)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=7, help="timed steps")
    parser.add_argument("--warmup", type=int, default=3, help="steps before the timed ones")
    parser.add_argument("--vectors", type=int, default=4, help="learned vectors of the pseudo-word")
    parser.add_argument("--precision", choices=TYPES, default="f32")
    parser.add_argument("--reference", metavar="FILE", help="afterwards hold loss and gradient against this file of make_reference.py")
    parser.add_argument("--seed", type=int, default=0)
    return parser


def prepare(options):
    """Set threads and seed, as every program does before it loads anything."""
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    torch.manual_seed(options.seed)


def load_unet(options):
    """Return the frozen UNet in the precision of the options."""
    folder = os.path.join(options.model, "unet")
    unet = diffusers.UNet2DConditionModel.from_pretrained(folder, torch_dtype=TYPES[options.precision], local_files_only=True)
    return unet.requires_grad_(False).eval()


def load_text_encoder(options, precision):
    """Return the frozen text encoder."""
    folder = os.path.join(options.model, "text_encoder")
    encoder = transformers.CLIPTextModel.from_pretrained(folder, dtype=TYPES[precision], local_files_only=True)
    return encoder.requires_grad_(False).eval()


def latent_factor(model):
    """Return how many picture pixels make one latent: 8, unless the autoencoder's configuration says otherwise."""
    path = os.path.join(model, "vae", "config.json")
    if not os.path.exists(path):
        return 8
    with open(path) as file:
        return 2 ** (len(json.load(file)["block_out_channels"]) - 1)


def draw_tokens(options, vocabulary):
    """Return prompts of some random words, padded to 77 tokens; vocabulary + j is the place of learned row j."""
    tokens = torch.full((options.batch, 77), vocabulary - 1)
    tokens[:, 0] = vocabulary - 2
    tokens[:, 1:16] = torch.randint(0, vocabulary - 2, (options.batch, 15))
    tokens[:, PLACEHOLDER_POSITION : PLACEHOLDER_POSITION + options.vectors] = vocabulary + torch.arange(options.vectors)
    return tokens


def load_reference(options):
    """Return the tensors of the reference file; it must have as many vectors as these options."""
    reference = load_file(options.reference)
    if reference["embedding"].shape[0] != options.vectors:
        sys.exit(f"{options.reference}: has {reference['embedding'].shape[0]} vectors, expected {options.vectors}")
    return reference


def relative_error(value, reference):
    """Return |value - reference| / |reference|, Euclidean norms over the whole tensor."""
    value, reference = value.double(), reference.double()
    return ((value - reference).norm() / reference.norm()).item()


def comparison(reference, loss, gradient):
    """Return how far loss and gradient are from those of the reference, in the form of the report."""
    gradient, expected = gradient.detach().double(), reference["embedding_gradient"].double()
    return {
        "loss_error": relative_error(loss.detach(), reference["loss"]),
        "gradient_error": relative_error(gradient, expected),
        "gradient_cosine": torch.nn.functional.cosine_similarity(gradient.flatten(), expected.flatten(), dim=0).item(),
    }


def print_report(options, runs, load_seconds, **more):
    """Print the JSON object that compare.py reads; runs are (loss, seconds, seconds of each phase) of the timed steps."""
    seconds = [run[1] for run in runs]
    result = {
        "program": "pytorch",
        "model": options.model,
        "resolution": options.resolution,
        "batch": options.batch,
        "threads": options.threads,
        "precision": options.precision,
        "steps": options.steps,
        "seconds_per_step": statistics.median(seconds),
        "fastest_step": min(seconds),
        "phases": {name: statistics.median(run[2][name] for run in runs) for name in runs[0][2]},
        "load_seconds": load_seconds,
        # Linux counts ru_maxrss in KiB.
        "peak_resident_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "loss": runs[-1][0],
        "versions": {
            "python": sys.version.split()[0],
            "torch": torch.__version__,
            "diffusers": diffusers.__version__,
            "transformers": transformers.__version__,
        },
    }
    print(json.dumps(result | more))
