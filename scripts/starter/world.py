# SPDX-License-Identifier: Apache-2.0
"""A small procedural picture world: shapes with attributes, each with a caption.

`held_out` names the combinations that the starter model never sees: concepts left for textual inversion to find.
"""

import math

from PIL import Image, ImageDraw

COLORS = {
    "red": (220, 40, 40),
    "orange": (240, 140, 30),
    "yellow": (245, 215, 50),
    "green": (50, 165, 70),
    "teal": (20, 160, 160),
    "blue": (45, 90, 220),
    "purple": (135, 60, 180),
    "pink": (245, 130, 180),
    "brown": (130, 85, 45),
    "black": (30, 30, 30),
    "white": (245, 245, 245),
    "gray": (140, 140, 140),
}
SHAPES = ["circle", "square", "triangle", "star", "heart", "ring", "cross", "diamond", "moon", "hexagon"]
PATTERNS = ["plain", "striped", "dotted", "checkered"]
# Radius as a part of the picture's side. The empty word is the size that captions do not mention.
SIZES = {"small": 0.24, "": 0.33, "large": 0.42}
BACKGROUNDS = ["white", "black", "gray", "yellow", "green", "blue", "pink", "brown"]
HELD_OUT = {("heart", "teal"), ("star", "purple"), ("moon", "orange"), ("cross", "pink"), ("hexagon", "red")}
TEMPLATES = [
    "a photo of {}",
    "a rendering of {}",
    "a picture of {}",
    "a cropped photo of {}",
    "a drawing of {}",
    "a close-up photo of {}",
    "a good photo of {}",
    "a bright photo of {}",
    "a depiction of {}",
    "{}",
    "{}",
    "an image of {}",
]


def polygon(shape, radius, rotation):
    """Return the corners of a shape around the origin, y downwards."""

    def at(angle, factor=1.0):
        return (factor * radius * math.cos(angle + rotation), factor * radius * math.sin(angle + rotation))

    if shape == "square":
        return [at(math.pi / 4 + i * math.pi / 2, 1.1) for i in range(4)]
    if shape == "diamond":
        return [at(0, 0.75), at(math.pi / 2, 1.2), at(math.pi, 0.75), at(-math.pi / 2, 1.2)]
    if shape == "triangle":
        return [at(-math.pi / 2 + i * 2 * math.pi / 3, 1.15) for i in range(3)]
    if shape == "hexagon":
        return [at(i * math.pi / 3) for i in range(6)]
    if shape == "star":
        return [at(-math.pi / 2 + i * math.pi / 5, 1.2 if i % 2 == 0 else 0.5) for i in range(10)]
    if shape == "cross":
        a, b = 0.36, 1.05
        base = [(-a, -b), (a, -b), (a, -a), (b, -a), (b, a), (a, a), (a, b), (-a, b), (-a, a), (-b, a), (-b, -a), (-a, -a)]
    elif shape == "heart":
        base = []
        for i in range(60):
            t = i / 60 * 2 * math.pi
            x = 16 * math.sin(t) ** 3
            y = 13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)
            base.append((x / 15.5, -y / 15.5))
    else:
        raise ValueError(f"no polygon of the name {shape!r}")
    cosine, sine = math.cos(rotation), math.sin(rotation)
    return [(radius * (x * cosine - y * sine), radius * (x * sine + y * cosine)) for x, y in base]


def draw_mask(spec, side):
    """Draw the shape of `spec` in white on black."""
    mask = Image.new("L", (side, side), 0)
    pen = ImageDraw.Draw(mask)
    shape, x, y, radius = spec["shape"], spec["x"] * side, spec["y"] * side, spec["r"] * side

    def disc(x, y, radius, value):
        pen.ellipse([x - radius, y - radius, x + radius, y + radius], fill=value)

    if shape in ("circle", "ring", "moon"):
        disc(x, y, radius, 255)
        if shape == "ring":
            disc(x, y, 0.55 * radius, 0)
        if shape == "moon":
            bite_x, bite_y = 0.55 * radius * math.cos(spec["rot"]), 0.55 * radius * math.sin(spec["rot"])
            disc(x + bite_x, y + bite_y, 0.85 * radius, 0)
    else:
        pen.polygon([(x + dx, y + dy) for dx, dy in polygon(shape, radius, spec["rot"])], fill=255)
    return mask


def draw_fill(spec, side):
    """Draw the pattern of `spec` over the whole picture."""
    fill = Image.new("RGB", (side, side), COLORS[spec["color"]])
    pen = ImageDraw.Draw(fill)
    other, pitch = COLORS[spec["alt"]], side // 11
    if spec["pattern"] == "striped":
        for i in range(-1, 12, 2):
            pen.rectangle([0, i * pitch, side, i * pitch + pitch - 1], fill=other)
    elif spec["pattern"] == "dotted":
        for i in range(12):
            for j in range(12):
                left = j * pitch + (pitch // 2 if i % 2 else 0)
                near, far = pitch * 0.18, pitch * 0.82
                pen.ellipse([left + near, i * pitch + near, left + far, i * pitch + far], fill=other)
    elif spec["pattern"] == "checkered":
        for i in range(12):
            for j in range(12):
                if (i + j) % 2:
                    pen.rectangle([j * pitch, i * pitch, j * pitch + pitch - 1, i * pitch + pitch - 1], fill=other)
    return fill


def draw(spec, size=128, supersampling=3):
    """Draw a picture of `size` pixels square.

    `spec` holds shape, color, alt (the pattern's other colour), bg, pattern, and as parts of the side r, x, y; rot in radians.
    """
    side = size * supersampling
    picture = Image.new("RGB", (side, side), COLORS[spec["bg"]])
    picture.paste(draw_fill(spec, side), (0, 0), draw_mask(spec, side))
    return picture.resize((size, size), Image.LANCZOS)


def second_color(color):
    """Return the pattern's other colour: one that shows on `color`."""
    return "white" if color not in ("white", "yellow") else "black"


def place(size, rng):
    """Draw where the shape is, how large and how turned."""
    return dict(
        r=SIZES[size] * rng.uniform(0.92, 1.08),
        x=rng.uniform(0.42, 0.58),
        y=rng.uniform(0.42, 0.58),
        rot=rng.uniform(-0.25, 0.25),
    )


def random_spec(rng):
    """Draw what is in one picture. The order of the draws is part of the training set."""
    background = rng.choice(BACKGROUNDS)
    color = rng.choice([name for name in COLORS if name != background])
    size = rng.choice(list(SIZES))
    shape, pattern = rng.choice(SHAPES), rng.choice(PATTERNS)
    return dict(
        shape=shape, color=color, alt=second_color(color), bg=background, pattern=pattern, size=size, **place(size, rng)
    )


def held_out(spec):
    """Say whether the starter model never sees this shape in this colour."""
    return (spec["shape"], spec["color"]) in HELD_OUT


def caption(spec, rng):
    """Describe a picture in words, leaving some of them out at random."""
    words = []
    if spec["size"] and rng.random() < 0.8:
        words.append(spec["size"])
    if rng.random() < 0.92:
        words.append(spec["color"])
    if spec["pattern"] != "plain" and rng.random() < 0.92:
        words.append(spec["pattern"])
    elif spec["pattern"] == "plain" and rng.random() < 0.3:
        words.append("plain")
    words.append(spec["shape"])
    phrase = rng.choice(["a", "a", "the", "one"]) + " " + " ".join(words)
    if rng.random() < 0.8:
        phrase += f" on a {spec['bg']} background"
    return rng.choice(TEMPLATES).format(phrase)
