# SPDX-License-Identifier: Apache-2.0
"""Convert the UNet of a model folder to OpenVINO's format, with static shapes and f32 weights.

    openvino_convert.py --model DIR --out FOLDER [--resolution 512] [--batch 1]

Writes FOLDER/unet.xml and unet.bin. A program of its own, so that neither PyTorch nor the conversion counts as memory or
load time of openvino_forward.py. Prints one JSON object.
"""

import json
import os
import shutil
import sys

# Without this module OpenVINO's converter tells nobody that it ran.
sys.modules["openvino_telemetry"] = None

import openvino
import torch

import networks


class NoisePrediction(torch.nn.Module):
    """The UNet with plain tensors as inputs and output."""

    def __init__(self, unet):
        super().__init__()
        self.unet = unet

    def forward(self, latents, timesteps, context):
        return self.unet(latents, timesteps, context, return_dict=False)[0]


def main():
    parser = networks.argument_parser(__doc__.splitlines()[0])
    parser.add_argument("--out", required=True, help="the folder to write")
    options = parser.parse_args()
    unet = networks.load_unet(options)
    side = options.resolution // networks.latent_factor(options.model)
    latents = torch.randn(options.batch, unet.config.in_channels, side, side)
    timesteps = torch.randint(0, 1000, (options.batch,))
    context = torch.randn(options.batch, 77, unet.config.cross_attention_dim)
    example = (latents, timesteps, context)
    with torch.no_grad():
        converted = openvino.convert_model(
            NoisePrediction(unet), example_input=example, input=[list(tensor.shape) for tensor in example]
        )
    partial = f"{options.out}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    os.makedirs(partial)
    openvino.save_model(converted, os.path.join(partial, "unet.xml"), compress_to_fp16=False)
    os.rename(partial, options.out)
    print(json.dumps({"folder": options.out, "inputs": [str(port.partial_shape) for port in converted.inputs]}))


if __name__ == "__main__":
    main()
