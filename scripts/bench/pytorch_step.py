# SPDX-License-Identifier: Apache-2.0
"""Time PyTorch's textual-inversion step, the counterpart of `pseudoword bench step`.

    pytorch_step.py --model DIR [--resolution 512] [--batch 1] [--threads 2] [--steps 5] [--variant eager]

DIR is a model folder in diffusers' layout; only `unet` and `text_encoder` are read. The step is the smallest honest one,
not diffusers' example script, which also encodes the pictures at every step and updates the whole token table:

- the learned rows take the placeholder's places in the token embeddings, and AdamW holds nothing but those rows;
- frozen weights carry no gradient, so autograd goes no further back than the rows need;
- latents come ready made, as from a cache: there is no autoencoder;
- f32 throughout, PyTorch's fused attention, denormals flushed to zero.

Prints one JSON object. `text_encoder` among the phases is its forward and its backward pass. Inputs are random: the loss
of another program differs, because it draws other numbers.
"""

import argparse
import json
import os
import resource
import statistics
import sys
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")

import diffusers
import torch
import torch.nn.functional as F
import transformers

PLACEHOLDER_POSITION = 5


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="a model folder in diffusers' layout")
    parser.add_argument("--resolution", type=int, default=512)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=5, help="timed steps")
    parser.add_argument("--warmup", type=int, default=2, help="steps before the timed ones")
    parser.add_argument("--vectors", type=int, default=4, help="learned vectors of the pseudo-word")
    parser.add_argument("--variant", choices=["eager", "channels-last", "compile"], default="eager")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def latent_factor(model):
    """Return how many picture pixels make one latent: 8, unless the autoencoder's configuration says otherwise."""
    path = os.path.join(model, "vae", "config.json")
    if not os.path.exists(path):
        return 8
    with open(path) as file:
        return 2 ** (len(json.load(file)["block_out_channels"]) - 1)


class Step:
    """Frozen networks, the learned rows, and one training step over random inputs."""

    def __init__(self, options):
        self.options = options
        self.text_encoder = transformers.CLIPTextModel.from_pretrained(
            os.path.join(options.model, "text_encoder"), dtype=torch.float32, local_files_only=True
        )
        self.unet = diffusers.UNet2DConditionModel.from_pretrained(
            os.path.join(options.model, "unet"), torch_dtype=torch.float32, local_files_only=True
        )
        for network in (self.text_encoder, self.unet):
            network.requires_grad_(False).eval()
        table = self.text_encoder.get_input_embeddings()
        self.vocabulary = table.num_embeddings
        self.rows = torch.nn.Parameter(table.weight[: options.vectors].clone())
        table.register_forward_hook(self.insert_rows)
        self.optimizer = torch.optim.AdamW([self.rows], lr=5e-3, weight_decay=0.0)
        self.schedule = diffusers.DDPMScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", num_train_timesteps=1000
        )
        side = options.resolution // latent_factor(options.model)
        self.latent_shape = (options.batch, self.unet.config.in_channels, side, side)
        if options.variant == "channels-last":
            self.unet.to(memory_format=torch.channels_last)
        if options.variant == "compile":
            self.unet = torch.compile(self.unet)

    def insert_rows(self, table, inputs, embeddings):
        """Put the learned rows in the placeholder's places of the token embeddings [batch, tokens, width]."""
        rows = self.rows.expand(embeddings.shape[0], -1, -1)
        after = PLACEHOLDER_POSITION + self.rows.shape[0]
        return torch.cat([embeddings[:, :PLACEHOLDER_POSITION], rows, embeddings[:, after:]], dim=1)

    def draw_tokens(self):
        """Return a prompt of some random words, padded to 77 tokens as Stable Diffusion pads it."""
        end = self.vocabulary - 1
        tokens = torch.full((self.options.batch, 77), end)
        tokens[:, 0] = self.vocabulary - 2
        tokens[:, 1:16] = torch.randint(0, self.vocabulary - 2, (self.options.batch, 15))
        return tokens

    def run(self):
        """Take one optimizer step; return its loss and the seconds of each phase."""
        tokens = self.draw_tokens()
        latents, noise = torch.randn(self.latent_shape), torch.randn(self.latent_shape)
        timesteps = torch.randint(0, 1000, (self.options.batch,))
        if self.options.variant == "channels-last":
            latents, noise = (x.contiguous(memory_format=torch.channels_last) for x in (latents, noise))

        clock = [time.perf_counter()]
        hidden = self.text_encoder(tokens).last_hidden_state
        # Cut here only so that the two backward passes can be timed apart.
        context = hidden.detach().requires_grad_()
        clock.append(time.perf_counter())
        noisy = self.schedule.add_noise(latents, noise, timesteps)
        loss = F.mse_loss(self.unet(noisy, timesteps, context).sample, noise)
        clock.append(time.perf_counter())
        loss.backward()
        clock.append(time.perf_counter())
        hidden.backward(context.grad)
        clock.append(time.perf_counter())
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        clock.append(time.perf_counter())

        forward_text, forward, backward, backward_text, update = (b - a for a, b in zip(clock, clock[1:]))
        phases = {
            "text_encoder": forward_text + backward_text,
            "unet_forward": forward,
            "unet_backward": backward,
            "optimizer": update,
        }
        return loss.item(), clock[-1] - clock[0], phases


def main():
    options = parse_arguments()
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    torch.manual_seed(options.seed)
    started = time.perf_counter()
    step = Step(options)
    loaded = time.perf_counter() - started
    runs = [step.run() for _ in range(options.warmup + options.steps)][options.warmup :]
    seconds = [run[1] for run in runs]
    result = {
        "program": "pytorch",
        "variant": options.variant,
        "model": options.model,
        "resolution": options.resolution,
        "batch": options.batch,
        "threads": options.threads,
        "precision": "f32",
        "steps": options.steps,
        "seconds_per_step": statistics.median(seconds),
        "fastest_step": min(seconds),
        "phases": {name: statistics.median(run[2][name] for run in runs) for name in runs[0][2]},
        "load_seconds": loaded,
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
    print(json.dumps(result))


if __name__ == "__main__":
    main()
