"""Draw the captions kept from training, judge the pictures by their nearest emoji, and write a contact sheet.

Run as ``python -m starters.emoji.evaluate WORK [--model FOLDER] [--sheet FILE]``. The judge knows nothing of the
model: it compares a picture's coarse colours and the directions of its edges with those of all emoji.
"""

import argparse
import colorsys
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import DiffusionPipeline
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from starters.emoji.captions import plain_name
from starters.emoji.data import Emoji, read_emoji
from starters.emoji.export import MODEL
from starters.emoji.heldout import COLOURED, WORDS
from starters.emoji.wording import COLOURS

KNOWN = (
    "a cat", "a dog", "a car", "a house", "a rocket", "a birthday cake", "a smiling sun", "a red heart", "a tree",
    "a pizza", "a fish", "a bird", "a flower", "a guitar", "a skull", "a robot", "an apple", "a banana", "a train",
    "a ship", "rain", "snowman", "a happy face", "a sad face", "an angry face", "a doctor", "a king", "a baby",
    "a book", "a key", "a clock", "a computer", "the moon", "a mountain", "a butterfly", "an elephant", "a penguin",
    "a hot dog", "ice cream", "flag of Japan",
)  # fmt: skip
"""Captions that training saw, drawn on the sheet for comparison."""


@dataclass
class Score:
    """Hits over one list of captions, each drawn several times."""

    drawn: int = 0
    first: int = 0
    five: int = 0
    colour: int = 0

    def line(self, name: str) -> str:
        """One line of the report."""
        count = max(self.drawn, 1)
        text = f"{name}: {self.drawn} pictures, nearest emoji right {self.first / count:.3f}"
        text += f", among five nearest {self.five / count:.3f}"
        return text + (f", colour right {self.colour / count:.3f}" if self.colour else "")


def features(pictures: NDArray[np.uint8], colours: bool) -> Tensor:
    """Unit vectors of uint8 pictures [N, 64, 64, 3]: 8x8 colours (or only ink) beside edges by direction and place."""
    rgb = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
    light = F.avg_pool2d(rgb.mean(1, keepdim=True), 2)
    across = F.pad(light[..., :, 2:] - light[..., :, :-2], (1, 1))
    down = F.pad(light[..., 2:, :] - light[..., :-2, :], (0, 0, 1, 1))
    strength, angle = torch.hypot(across, down).sqrt(), torch.atan2(down, across) * 2
    turned = [torch.relu(torch.cos(angle - k * np.pi / 2)) * strength for k in range(4)]
    edges = F.avg_pool2d(F.pad(torch.cat(turned, 1), (2, 2, 2, 2), mode="replicate"), 8, 4).flatten(1)
    ink = (rgb - 1).abs().amax(1, keepdim=True).clamp(max=0.3)
    coarse = F.avg_pool2d(1 - rgb if colours else ink, 8).flatten(1)
    parts = [F.normalize(part - part.mean(1, keepdim=True), dim=1) for part in (edges, coarse)]
    return torch.cat(parts, 1) / 2**0.5


def main_colour(picture: NDArray[np.uint8]) -> str:
    """The colour word nearest to the mean hue of the coloured pixels, or "grey"."""
    rgb = picture.reshape(-1, 3) / 255.0
    chroma = rgb.max(1) - rgb.min(1)
    if (chroma > 0.15).sum() < 40:
        return "grey"
    hues = np.array([colorsys.rgb_to_hsv(*pixel)[0] for pixel in rgb[chroma > 0.15]])
    centre = np.angle(np.exp(2j * np.pi * hues).mean()) / (2 * np.pi) % 1
    names = [name for name in COLOURS if name not in ("black", "white", "brown")]
    apart = [abs((COLOURS[name][0] - centre + 0.5) % 1 - 0.5) for name in names]
    return names[int(np.argmin(apart))]


def answers(emoji: list[Emoji], thing: str) -> set[str]:
    """The labels of the emoji that show a thing named by one word."""
    return {e.label for e in emoji if thing in plain_name(e).lower().split() and len(plain_name(e).split()) < 3}


def draw(model: Path, captions: list[str], seeds: int, steps: int, guidance: float) -> NDArray[np.uint8]:
    """Pictures [captions, seeds, 64, 64, 3], each from its own seed."""
    pipe = DiffusionPipeline.from_pretrained(model, dtype=torch.float32, use_safetensors=True)
    pipe.set_progress_bar_config(disable=True)
    rows = []
    for start in range(0, len(captions), 16):
        part = [c for c in captions[start : start + 16] for _ in range(seeds)]
        dice = [torch.Generator().manual_seed(s) for _ in captions[start : start + 16] for s in range(seeds)]
        made = pipe(part, num_inference_steps=steps, guidance_scale=guidance, generator=dice, height=64, width=64)
        rows.append(np.stack([np.asarray(image) for image in made.images]))
    return np.concatenate(rows).reshape(len(captions), seeds, 64, 64, 3)


def judge(emoji: list[Emoji], known: NDArray[np.uint8], drawn: dict[str, NDArray[np.uint8]]) -> tuple[Score, Score]:
    """Scores of the new words (shape and colour judged) and of the new colours (shape judged, colour apart)."""
    words, pairs = Score(), Score()
    labels = np.array([e.label for e in emoji])
    for colours, score in ((True, words), (False, pairs)):
        reference = features(known, colours)
        for caption in WORDS if colours else COLOURED:
            right = set(WORDS[caption]) if colours else answers(emoji, COLOURED[caption][1])
            near = (features(drawn[caption], colours) @ reference.T).topk(5).indices.numpy()
            score.drawn += len(near)
            score.first += sum(labels[row[0]] in right for row in near)
            score.five += sum(bool(right.intersection(labels[row])) for row in near)
            if not colours:
                score.colour += sum(main_colour(p) == COLOURED[caption][0] for p in drawn[caption])
    return words, pairs


def sheet(drawn: dict[str, NDArray[np.uint8]], path: Path, columns: int = 12) -> None:
    """All captions with their first picture, at 96 pixels, as a PNG."""
    rows = -(-len(drawn) // columns)
    page = Image.new("RGB", (columns * 104, rows * 124), "white")
    pen = ImageDraw.Draw(page)
    for place, (caption, pictures) in enumerate(drawn.items()):
        x, y = place % columns * 104, place // columns * 124
        page.paste(Image.fromarray(pictures[0]).resize((96, 96), Image.Resampling.LANCZOS), (x + 4, y))
        pen.text((x + 2, y + 98), "\n".join((caption[:17], caption[17:34])), fill="black", font_size=11)
    page.save(path)


def main() -> None:
    """Draw, judge, print one line per list, and write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--guidance", type=float)
    args = parser.parse_args()
    torch.set_num_threads(2)
    defaults = json.loads((args.model / "atelier.json").read_text())["defaults"]
    steps, guidance = args.steps or defaults["steps"], args.guidance or defaults["guidance"]
    captions = list(dict.fromkeys([*WORDS, *COLOURED, *KNOWN]))
    made = draw(args.model, captions, args.seeds, steps, guidance)
    drawn = dict(zip(captions, made, strict=True))
    words, pairs = judge(read_emoji(args.work), np.load(args.work / "pictures.npy"), drawn)
    print(f"steps {steps} guidance {guidance}")
    print(words.line("unseen words"))
    print(pairs.line("unseen colours"))
    if args.sheet:
        sheet(drawn, args.sheet)


if __name__ == "__main__":
    main()
