# SPDX-License-Identifier: Apache-2.0
"""Train the starter model from nothing: tokenizer, autoencoder, then text encoder and UNet together.

    train_starter.py OUT 20 75 16000                   the first part
    train_starter.py OUT 20 20 16000 SEED --resume     more of the text encoder and UNet, weighted to high noise

needs torch, diffusers, transformers, tokenizers and Pillow. Times are minutes on two cores: what is learned depends on how many
steps fit into them, so a second run gives a model as good, not the same one. OUT is a model folder in diffusers' layout, with
sample.png (one picture for each of `PROMPTS`) and vae.pt (the autoencoder in f32, from which --resume goes on) beside it.
"""

import argparse
import copy
import json
import math
import os
import random
import time

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, DDIMScheduler, DDPMScheduler, UNet2DConditionModel
from PIL import Image
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from vocabulary import write_tokenizer
from world import caption, draw, held_out, random_spec

BATCH = 32
BETAS = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False)
PROMPTS = [
    "a photo of a small red striped star on a white background",
    "a large blue dotted circle on a yellow background",
    "a photo of a green heart on a black background",
    "a purple checkered square on a gray background",
    "a teal heart on a white background",
    "a photo of a purple star on a pink background",
    "a orange moon on a blue background",
    "a drawing of a pink ring on a brown background",
]
PIPELINE = {
    "_class_name": "StableDiffusionPipeline",
    "_diffusers_version": "0.30.0",
    "feature_extractor": [None, None],
    "image_encoder": [None, None],
    "requires_safety_checker": False,
    "safety_checker": [None, None],
    "scheduler": ["diffusers", "DDPMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", metavar="OUT", help="the model folder to write")
    parser.add_argument("vae_minutes", type=float)
    parser.add_argument("unet_minutes", type=float)
    parser.add_argument("pictures", type=int, help="size of the training set")
    parser.add_argument("seed", type=int, nargs="?", default=0)
    parser.add_argument("--resume", action="store_true", help="go on from the text encoder and UNet in OUT")
    return parser.parse_args()


def log(*words):
    print(time.strftime("%H:%M:%S"), *words, flush=True)


def bf16():
    return torch.autocast("cpu", dtype=torch.bfloat16)


def parameter_count(network):
    return sum(parameter.numel() for parameter in network.parameters())


def draw_specs(count, seed):
    """Draw what is in each training picture, without the held-out combinations."""
    rng, specs = random.Random(seed + 7), []
    while len(specs) < count:
        spec = random_spec(rng)
        if not held_out(spec):
            specs.append(spec)
    return specs


def learning_rate(peak, warmup, step, elapsed, total):
    """Warm up over some steps, then follow a cosine in time down to a fiftieth of the peak."""
    return peak * min(1, (step + 1) / warmup) * (0.5 * (1 + math.cos(math.pi * elapsed / total)) + 0.02)


def set_learning_rate(optimizer, value):
    for group in optimizer.param_groups:
        group["lr"] = value


class Pictures:
    """The training pictures, drawn once, as bytes."""

    def __init__(self, specs):
        self.bytes = torch.from_numpy(np.stack([np.asarray(draw(spec)) for spec in specs]))

    def __getitem__(self, indices):
        """Return pictures [batch, 3, side, side] in -1 ... 1."""
        return self.bytes[indices].permute(0, 3, 1, 2).float() / 127.5 - 1

    def __len__(self):
        return len(self.bytes)


# The autoencoder


def make_autoencoder():
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4,
        block_out_channels=[16, 32, 64, 64],
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=16,
        sample_size=128,
    )


def edge_difference(a, b):
    """Return how much the differences between neighbouring pixels differ: it keeps edges sharp."""
    rows = ((a[..., 1:] - a[..., :-1]) - (b[..., 1:] - b[..., :-1])).abs().mean()
    columns = ((a[..., 1:, :] - a[..., :-1, :]) - (b[..., 1:, :] - b[..., :-1, :])).abs().mean()
    return rows + columns


def train_autoencoder(vae, pictures, minutes):
    optimizer = torch.optim.AdamW(vae.parameters(), lr=1e-3, weight_decay=0)
    started, step = time.time(), 0
    while (elapsed := (time.time() - started) / 60) < minutes:
        set_learning_rate(optimizer, learning_rate(1.2e-3, 100, step, elapsed, minutes))
        # Random crops give four times the steps; the last part sees whole pictures.
        cropping = elapsed < 0.85 * minutes
        x = pictures[torch.randint(0, len(pictures), (16 if cropping else 8,))]
        if cropping:
            top, left = random.randrange(0, 65, 8), random.randrange(0, 65, 8)
            x = x[..., top : top + 64, left : left + 64]
        with bf16():
            posterior = vae.encode(x).latent_dist
            y = vae.decode(posterior.sample()).sample
        y = y.float()
        absolute, squared = (y - x).abs().mean(), F.mse_loss(y, x)
        divergence = posterior.kl().float().mean() / x[0].numel()
        loss = absolute + squared + edge_difference(y, x) + 2e-4 * divergence
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimizer.step()
        step += 1
        if step % 200 == 0:
            log(f"vae {step} l1 {absolute:.4f} l2 {squared:.5f} kl {divergence:.3f}")


def encode(vae, pictures):
    """Return the mean and the standard deviation of every picture's posterior, and the factor that gives latents unit variance."""
    parts = []
    with torch.no_grad():
        for start in range(0, len(pictures), 64):
            with bf16():
                indices = torch.arange(start, min(start + 64, len(pictures)))
                parts.append(vae.encode(pictures[indices]).latent_dist.parameters.float())
        mean, log_variance = torch.cat(parts).chunk(2, 1)
        deviation = torch.exp(0.5 * log_variance.clamp(-30, 20))
        scale = float(1 / (mean + deviation * torch.randn_like(deviation)).std())
    return mean, deviation, scale


# The text encoder and the UNet


def make_text_encoder(vocabulary_size):
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=vocabulary_size,
            hidden_size=128,
            intermediate_size=512,
            num_hidden_layers=3,
            num_attention_heads=4,
            max_position_embeddings=77,
            hidden_act="quick_gelu",
            projection_dim=128,
            bos_token_id=vocabulary_size - 2,
            eos_token_id=vocabulary_size - 1,
            pad_token_id=vocabulary_size - 1,
        )
    )


def make_unet():
    return UNet2DConditionModel(
        sample_size=16,
        in_channels=4,
        out_channels=4,
        block_out_channels=[64, 96, 128],
        layers_per_block=1,
        cross_attention_dim=128,
        attention_head_dim=4,
        down_block_types=["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
        up_block_types=["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
        norm_num_groups=32,
    )


class Diffusion:
    """Text encoder and UNet in training, with the moving average of their weights, which is what gets saved."""

    def __init__(self, out, tokenizer, vae, scale, resume):
        self.out, self.tokenizer, self.vae, self.scale, self.resume = out, tokenizer, vae, scale, resume
        self.text_encoder = make_text_encoder(len(tokenizer))
        self.unet = make_unet()
        log("te", parameter_count(self.text_encoder), "unet", parameter_count(self.unet))
        if resume:
            self.text_encoder = CLIPTextModel.from_pretrained(f"{out}/text_encoder", dtype=torch.float32).train()
            self.unet = UNet2DConditionModel.from_pretrained(f"{out}/unet", torch_dtype=torch.float32).train()
        self.parameters = [*self.text_encoder.parameters(), *self.unet.parameters()]
        self.average = [parameter.detach().clone() for parameter in self.parameters]
        self.schedule = DDPMScheduler(num_train_timesteps=1000, **BETAS)

    def tokens(self, prompts):
        return self.tokenizer(
            prompts, padding="max_length", max_length=77, truncation=True, return_tensors="pt"
        ).input_ids

    def loss(self, mean, deviation, captions):
        """Return the mean squared error of the predicted noise, over one batch of posteriors."""
        latents = (mean + deviation * torch.randn_like(deviation)) * self.scale
        noise, timesteps = torch.randn_like(latents), torch.randint(0, 1000, (len(latents),))
        if self.resume:
            # Colour and layout are decided at high noise.
            timesteps[::2] = torch.randint(350, 1000, (len(timesteps[::2]),))
        with bf16():
            noisy = self.schedule.add_noise(latents, noise, timesteps)
            prediction = self.unet(noisy, timesteps, self.text_encoder(self.tokens(captions))[0]).sample
        return F.mse_loss(prediction.float(), noise)

    def train(self, mean, deviation, specs, minutes):
        peak = 5e-4 if self.resume else 8e-4
        optimizer = torch.optim.AdamW(self.parameters, lr=8e-4, weight_decay=1e-2, betas=(0.9, 0.99))
        started, step, running, saved, rng = time.time(), 0, 0.0, 0.0, random.Random(3)
        while (elapsed := (time.time() - started) / 60) < minutes:
            set_learning_rate(optimizer, learning_rate(peak, 200, step, elapsed, minutes))
            chosen = torch.randint(0, len(specs), (BATCH,))
            # A tenth without words, for guidance.
            captions = [("" if rng.random() < 0.1 else caption(specs[i], rng)) for i in chosen.tolist()]
            loss = self.loss(mean[chosen], deviation[chosen], captions)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
            optimizer.step()
            step += 1
            with torch.no_grad():
                torch._foreach_lerp_(self.average, self.parameters, 1 - min(0.999, (1 + step) / (10 + step)))
            running = 0.98 * running + 0.02 * loss.item() if step > 1 else loss.item()
            if step % 200 == 0:
                log(f"ldm {step} loss {running:.4f} min {elapsed:.1f}")
            if time.time() - saved > 600:
                saved = time.time()
                self.save()
                self.sample(PROMPTS)
        return step

    def take_average(self):
        with torch.no_grad():
            for parameter, value in zip(self.parameters, self.average):
                parameter.copy_(value)

    def save(self):
        """Write the model folder, in half precision."""
        kept = [parameter.detach().clone() for parameter in self.parameters]
        self.take_average()
        self.text_encoder.half().save_pretrained(f"{self.out}/text_encoder")
        self.text_encoder.float()
        self.unet.half().save_pretrained(f"{self.out}/unet")
        self.unet.float()
        copy.deepcopy(self.vae).half().save_pretrained(f"{self.out}/vae")
        self.schedule.save_pretrained(f"{self.out}/scheduler")
        with open(f"{self.out}/model_index.json", "w") as file:
            json.dump(PIPELINE, file, indent=2)
        with torch.no_grad():
            for parameter, value in zip(self.parameters, kept):
                parameter.copy_(value)

    def sample(self, prompts, seed=0, guidance=4):
        """Write a picture for each prompt, side by side, to sample.png."""
        tokens = self.tokens(prompts + [""] * len(prompts))
        sampler = DDIMScheduler(set_alpha_to_one=False, steps_offset=1, **BETAS)
        sampler.set_timesteps(30)
        latents = torch.randn(len(prompts), 4, 16, 16, generator=torch.Generator().manual_seed(seed))
        with torch.no_grad(), bf16():
            hidden = self.text_encoder(tokens)[0]
            for timestep in sampler.timesteps:
                prediction = self.unet(torch.cat([latents, latents]), timestep, hidden).sample.float()
                with_words, without = prediction.chunk(2)
                guided = without + guidance * (with_words - without)
                latents = sampler.step(guided, timestep, latents).prev_sample
            pictures = self.vae.decode(latents / self.scale).sample.float()
        pixels = ((pictures.clamp(-1, 1) + 1) * 127.5).byte().permute(0, 2, 3, 1).numpy()
        Image.fromarray(np.concatenate(list(pixels), 1)).save(f"{self.out}/sample.png")


def main():
    options = parse_arguments()
    out = options.out
    os.makedirs(out, exist_ok=True)
    torch.set_num_threads(2)
    torch.manual_seed(options.seed)

    specs = draw_specs(options.pictures, options.seed)
    if not options.resume:
        rng = random.Random(1)
        write_tokenizer(f"{out}/tokenizer", [caption(spec, rng) for spec in specs[:6000]])
    tokenizer = CLIPTokenizer.from_pretrained(f"{out}/tokenizer")
    log("vocab", len(tokenizer), tokenizer.tokenize(PROMPTS[0]))
    pictures = Pictures(specs)
    log("images", len(pictures))

    vae = make_autoencoder()
    log("vae params", parameter_count(vae))
    if os.path.exists(f"{out}/vae.pt"):
        vae.load_state_dict(torch.load(f"{out}/vae.pt"))
    else:
        train_autoencoder(vae, pictures, options.vae_minutes)
        torch.save(vae.state_dict(), f"{out}/vae.pt")
    vae.eval().requires_grad_(False)
    mean, deviation, scale = encode(vae, pictures)
    vae.register_to_config(scaling_factor=scale)
    log("scale", scale, "post std", deviation.mean().item(), "mean std", mean.std().item())

    diffusion = Diffusion(out, tokenizer, vae, scale, options.resume)
    steps = diffusion.train(mean, deviation, specs, options.unet_minutes)
    diffusion.save()
    diffusion.take_average()
    diffusion.sample(PROMPTS)
    log("done", steps)


if __name__ == "__main__":
    main()
