# SPDX-License-Identifier: Apache-2.0
"""Time PyTorch's textual-inversion step, the counterpart of `pseudoword bench step`.

    pytorch_step.py --model DIR [--resolution 512] [--batch 1] [--threads 2] [--steps 7] [--variant eager] [--precision f32]

DIR is a model folder in diffusers' layout; only `unet` and `text_encoder` are read. The step is the smallest honest one,
not that of diffusers' example, which stock_loop.py times:

- the learned rows take the placeholder's places in the token embeddings, and AdamW holds nothing but those rows;
- frozen weights carry no gradient, so autograd goes no further back than the rows need;
- latents come ready made, as from a cache: there is no autoencoder;
- PyTorch's fused attention, denormals flushed to zero;
- f32 throughout, or networks in bf16 around rows, loss and optimizer in f32.

Prints one JSON object. `text_encoder` among the phases is its forward and its backward pass. Inputs are random: the loss
of another program differs, because it draws other numbers. With --reference, loss and gradient for that file's inputs are
computed after the timed steps, by the same networks.
"""

import sys
import time

import diffusers
import torch
import torch.nn.functional as F

import networks


class Step:
    """Frozen networks, the learned rows, and one training step over random inputs."""

    def __init__(self, options):
        self.options = options
        self.type = networks.TYPES[options.precision]
        self.text_encoder = networks.load_text_encoder(options, options.precision)
        self.unet = networks.load_unet(options)
        table = self.text_encoder.get_input_embeddings()
        self.vocabulary = table.num_embeddings
        self.rows = torch.nn.Parameter(table.weight[: options.vectors].float().clone())
        table.register_forward_hook(self.insert_rows)
        self.optimizer = torch.optim.AdamW([self.rows], lr=5e-3, weight_decay=0.0)
        self.schedule = diffusers.DDPMScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", num_train_timesteps=1000
        )
        side = options.resolution // networks.latent_factor(options.model)
        self.latent_shape = (options.batch, self.unet.config.in_channels, side, side)
        if options.variant == "channels-last":
            self.unet.to(memory_format=torch.channels_last)
        if options.variant == "compile":
            self.unet = torch.compile(self.unet)
        if options.variant == "compile-no-layout":
            self.unet = torch.compile(self.unet, options={"layout_optimization": False})

    def insert_rows(self, table, inputs, embeddings):
        """Put the learned rows in the placeholder's places of the token embeddings [batch, tokens, width]."""
        places = self.tokens - self.vocabulary
        rows = self.rows.to(embeddings.dtype)[places.clamp(min=0)]
        return torch.where((places >= 0)[..., None], rows, embeddings)

    def as_input(self, tensor):
        """Return latents in the UNet's precision and layout."""
        layout = torch.channels_last if self.options.variant == "channels-last" else torch.contiguous_format
        return tensor.to(self.type).contiguous(memory_format=layout)

    def gradient(self, tokens, noisy, timesteps, target, clock):
        """Leave the gradient of the loss in the learned rows; return the loss. The clock gets the end of each part."""
        self.tokens = tokens
        hidden = self.text_encoder(tokens.masked_fill(tokens >= self.vocabulary, 0)).last_hidden_state
        # Cut here only so that the two backward passes can be timed apart.
        context = hidden.detach().requires_grad_()
        clock.append(time.perf_counter())
        loss = F.mse_loss(self.unet(noisy, timesteps, context).sample.float(), target)
        clock.append(time.perf_counter())
        loss.backward()
        clock.append(time.perf_counter())
        hidden.backward(context.grad)
        clock.append(time.perf_counter())
        return loss

    def run(self):
        """Take one optimizer step; return its loss, its seconds and the seconds of each phase."""
        tokens = networks.draw_tokens(self.options, self.vocabulary)
        latents, noise = torch.randn(self.latent_shape), torch.randn(self.latent_shape)
        timesteps = torch.randint(0, 1000, (self.options.batch,))

        clock = [time.perf_counter()]
        noisy = self.as_input(self.schedule.add_noise(latents, noise, timesteps))
        clock.append(time.perf_counter())
        loss = self.gradient(tokens, noisy, timesteps, noise, clock)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        clock.append(time.perf_counter())

        adding_noise, forward_text, forward, backward, backward_text, update = (b - a for a, b in zip(clock, clock[1:]))
        phases = {
            "text_encoder": forward_text + backward_text,
            "unet_forward": adding_noise + forward,
            "unet_backward": backward,
            "optimizer": update,
        }
        return loss.item(), clock[-1] - clock[0], phases

    def compare(self, reference):
        """Return how far loss and gradient are from the reference's, for its inputs."""
        self.rows.data.copy_(reference["embedding"])
        noisy = self.as_input(reference["noisy_latents"])
        loss = self.gradient(reference["input_ids"], noisy, reference["timesteps"], reference["target"], [])
        return networks.comparison(reference, loss, self.rows.grad)


def main():
    parser = networks.argument_parser(__doc__.splitlines()[0])
    parser.add_argument("--variant", choices=["eager", "channels-last", "compile", "compile-no-layout"], default="eager")
    options = parser.parse_args()
    networks.prepare(options)
    started = time.perf_counter()
    step = Step(options)
    loaded = time.perf_counter() - started
    try:
        runs = [step.run() for _ in range(options.warmup + options.steps)][options.warmup :]
    except Exception as error:
        if not options.variant.startswith("compile"):
            raise
        sys.exit(f"torch.compile: {type(error).__name__}: {' '.join(str(error).split())}"[:300])
    more = {"variant": options.variant}
    if options.reference:
        more["against_reference"] = step.compare(networks.load_reference(options))
    networks.print_report(options, runs, loaded, **more)


if __name__ == "__main__":
    main()
