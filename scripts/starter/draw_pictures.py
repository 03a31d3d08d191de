# SPDX-License-Identifier: Apache-2.0
"""Draw pictures of one concept of the starter model's world.

    draw_pictures.py OUTDIR                                              the five pictures that come with the program: teal hearts
    draw_pictures.py OUTDIR --shape star --color purple --count 8 --seed 1

needs Pillow. Writes OUTDIR/1.png, 2.png, ...: the same shape in the same colour, plain, at random places on changing
backgrounds. The default is a concept that the starter model never saw; `HELD_OUT` in world.py names the others.
"""

import argparse
import os
import random

from world import COLORS, HELD_OUT, SHAPES, SIZES, draw, place, second_color

BACKGROUNDS = ["white", "yellow", "gray", "pink", "brown", "green", "black", "blue"]


def parse_arguments():
    known = ", ".join(sorted(f"{color} {shape}" for shape, color in HELD_OUT))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog=f"Never seen by the starter model: {known}.")
    parser.add_argument("folder", metavar="OUTDIR")
    parser.add_argument("--shape", choices=SHAPES, default="heart")
    parser.add_argument("--color", choices=list(COLORS), default="teal")
    parser.add_argument("--count", type=int, default=5)
    parser.add_argument("--seed", help="any text; another seed draws other sizes and places (default: COLOR-SHAPE)")
    return parser.parse_args()


def main():
    options = parse_arguments()
    rng = random.Random(options.seed or f"{options.color}-{options.shape}")
    backgrounds = [name for name in BACKGROUNDS if name != options.color]
    os.makedirs(options.folder, exist_ok=True)
    for number in range(options.count):
        size = rng.choice(list(SIZES))
        spec = dict(
            shape=options.shape,
            color=options.color,
            alt=second_color(options.color),
            bg=backgrounds[number % len(backgrounds)],
            pattern="plain",
            size=size,
            **place(size, rng),
        )
        draw(spec).save(os.path.join(options.folder, f"{number + 1}.png"))


if __name__ == "__main__":
    main()
