# SPDX-License-Identifier: Apache-2.0
"""Time a step as diffusers' textual-inversion example takes it, in a loop of our own.

    stock_loop.py --model DIR [--resolution 512] [--batch 1] [--threads 2] [--steps 7] [--precision f32]

What that example does beyond the smallest step, which pytorch_step.py times:

- every step encodes the pictures with the autoencoder anew;
- the word's vectors are rows at the end of the text encoder's token table, and the whole table is trainable;
- AdamW, with weight decay, updates the whole table;
- afterwards all other rows are copied back from a clone of the table.

bf16 means what mixed precision means there: UNet and autoencoder in bf16, the text encoder in f32 under autocast, loss and
optimizer in f32. Prints one JSON object; `picture` among its phases is the autoencoder.
"""

import contextlib
import os
import time

import diffusers
import torch
import torch.nn.functional as F

import networks


class StockLoop:
    """The networks, the whole table as a parameter, and one step of the loop."""

    def __init__(self, options):
        self.options = options
        self.type = networks.TYPES[options.precision]
        self.text_encoder = networks.load_text_encoder(options, "f32")
        self.unet = networks.load_unet(options)
        self.vae = diffusers.AutoencoderKL.from_pretrained(
            os.path.join(options.model, "vae"), torch_dtype=self.type, local_files_only=True
        )
        self.vae.requires_grad_(False).eval()
        self.schedule = diffusers.DDPMScheduler.from_pretrained(options.model, subfolder="scheduler", local_files_only=True)
        self.vocabulary = self.text_encoder.get_input_embeddings().num_embeddings
        self.text_encoder.resize_token_embeddings(self.vocabulary + options.vectors, mean_resizing=False)
        self.table = self.text_encoder.get_input_embeddings().weight
        with torch.no_grad():
            self.table[self.vocabulary :] = self.table[: options.vectors]
        self.table.requires_grad_(True)
        self.original = self.table.detach().clone()
        self.others = torch.arange(self.table.shape[0]) < self.vocabulary
        self.optimizer = torch.optim.AdamW([self.table], lr=5e-4, betas=(0.9, 0.999), weight_decay=1e-2, eps=1e-8)

    def encode(self, pictures, posterior_noise=None):
        """Return latents of the pictures: a draw from the autoencoder's distribution, or the one that the noise gives."""
        distribution = self.vae.encode(pictures.to(self.type)).latent_dist
        if posterior_noise is None:
            latents = distribution.sample()
        else:
            latents = distribution.mean + distribution.std * posterior_noise.to(self.type)
        return latents.detach() * self.vae.config.scaling_factor

    def target(self, latents, noise, timesteps):
        if self.schedule.config.prediction_type == "v_prediction":
            return self.schedule.get_velocity(latents, noise, timesteps)
        return noise

    def gradient(self, tokens, latents, noise, timesteps, clock):
        """Leave the gradient of the loss in the table; return the loss. The clock gets the end of each part."""
        mixed = self.options.precision == "bf16"
        with torch.autocast("cpu", dtype=torch.bfloat16) if mixed else contextlib.nullcontext():
            hidden = self.text_encoder(tokens).last_hidden_state
        # Cut here only so that the two backward passes can be timed apart.
        context = hidden.detach().requires_grad_()
        clock.append(time.perf_counter())
        noisy = self.schedule.add_noise(latents, noise, timesteps)
        prediction = self.unet(noisy, timesteps, context.to(self.type)).sample
        loss = F.mse_loss(prediction.float(), self.target(latents, noise, timesteps).float())
        clock.append(time.perf_counter())
        loss.backward()
        clock.append(time.perf_counter())
        hidden.backward(context.grad)
        clock.append(time.perf_counter())
        return loss

    def copy_back(self):
        """Give every row but the word's its original value again."""
        with torch.no_grad():
            self.table[self.others] = self.original[self.others]

    def run(self):
        """Take one step; return its loss, its seconds and the seconds of each phase."""
        options = self.options
        tokens = networks.draw_tokens(options, self.vocabulary)
        pictures = torch.rand(options.batch, 3, options.resolution, options.resolution) * 2 - 1

        clock = [time.perf_counter()]
        latents = self.encode(pictures)
        noise = torch.randn_like(latents)
        timesteps = torch.randint(0, self.schedule.config.num_train_timesteps, (options.batch,))
        clock.append(time.perf_counter())
        loss = self.gradient(tokens, latents, noise, timesteps, clock)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.copy_back()
        clock.append(time.perf_counter())

        picture, forward_text, forward, backward, backward_text, update = (b - a for a, b in zip(clock, clock[1:]))
        phases = {
            "picture": picture,
            "text_encoder": forward_text + backward_text,
            "unet_forward": forward,
            "unet_backward": backward,
            "optimizer": update,
        }
        return loss.item(), clock[-1] - clock[0], phases

    def compare(self, reference):
        """Return how far loss and gradient are from the reference's, from its pictures on."""
        with torch.no_grad():
            self.table[self.vocabulary :] = reference["embedding"]
        latents = self.encode(reference["pixel_values"], reference["posterior_noise"])
        noise = reference["noise"].to(self.type)
        loss = self.gradient(reference["input_ids"], latents, noise, reference["timesteps"], [])
        return networks.comparison(reference, loss, self.table.grad[self.vocabulary :])


def main():
    options = networks.argument_parser(__doc__.splitlines()[0]).parse_args()
    networks.prepare(options)
    started = time.perf_counter()
    loop = StockLoop(options)
    loaded = time.perf_counter() - started
    runs = [loop.run() for _ in range(options.warmup + options.steps)][options.warmup :]
    more = {"variant": "stock"}
    if options.reference:
        more["against_reference"] = loop.compare(networks.load_reference(options))
    networks.print_report(options, runs, loaded, **more)


if __name__ == "__main__":
    main()
