# SPDX-License-Identifier: Apache-2.0
"""Time PyTorch's UNet alone, forward only and keeping nothing for a backward pass, the counterpart of openvino_forward.py.

    pytorch_forward.py --model DIR [--resolution 512] [--batch 1] [--threads 2] [--steps 7] [--precision f32]

Prints one JSON object. With --reference, the noise prediction for that file's inputs is computed after the timed passes.
"""

import time

import torch

import networks


def main():
    options = networks.argument_parser(__doc__.splitlines()[0]).parse_args()
    networks.prepare(options)
    kind = networks.TYPES[options.precision]
    started = time.perf_counter()
    unet = networks.load_unet(options)
    loaded = time.perf_counter() - started
    side = options.resolution // networks.latent_factor(options.model)
    runs = []
    with torch.inference_mode():
        for _ in range(options.warmup + options.steps):
            latents = torch.randn(options.batch, unet.config.in_channels, side, side).to(kind)
            timesteps = torch.randint(0, 1000, (options.batch,))
            context = torch.randn(options.batch, 77, unet.config.cross_attention_dim).to(kind)
            begun = time.perf_counter()
            prediction = unet(latents, timesteps, context).sample
            seconds = time.perf_counter() - begun
            runs.append((prediction.float().square().mean().item(), seconds, {"unet_forward": seconds}))
        more = {"variant": "forward"}
        if options.reference:
            reference = networks.load_reference(options)
            inputs = reference["noisy_latents"].to(kind), reference["timesteps"], reference["encoder_hidden_states"].to(kind)
            prediction = unet(*inputs).sample
            more["against_reference"] = {"prediction_error": networks.relative_error(prediction, reference["noise_prediction"])}
    networks.print_report(options, runs[options.warmup :], loaded, **more)


if __name__ == "__main__":
    main()
