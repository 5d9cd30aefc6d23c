"""A confusion matrix as a picture: what texts are, down, and what the model says of them, across."""

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

_CELL, _GAP, _PAD = 76, 4, 28
_SHOWN = 20
"""Labels that are drawn; of more, the first."""
_INK, _PAPER, _FULL = (31, 35, 40), (255, 255, 255), (37, 99, 235)


def draw_confusion(labels: Sequence[str], counts: Sequence[Sequence[int]]) -> Image.Image:
    """Each row by its share: a diagonal of full colour is a model that is always right.

    Args:
        labels: their names.
        counts: [true label][guessed label].
    """
    labels = [label if len(label) <= 18 else f"{label[:17]}…" for label in labels[:_SHOWN]]
    font, small = ImageFont.load_default(18), ImageFont.load_default(14)
    left = _PAD * 2 + int(max(font.getlength(label) for label in labels)) + 16
    top = _PAD * 2 + 46
    side = len(labels) * (_CELL + _GAP) - _GAP
    picture = Image.new("RGB", (left + side + _PAD, top + side + _PAD), _PAPER)
    draw = ImageDraw.Draw(picture)
    draw.text((left, _PAD), "What the model says", _INK, small)
    draw.text((_PAD, top - 26), "What it is", _INK, small)
    for column, label in enumerate(labels):
        middle = left + column * (_CELL + _GAP) + _CELL / 2
        draw.text((middle, top - 14), _fitting(label, small), _INK, small, anchor="ms")
    for row, label in enumerate(labels):
        y = top + row * (_CELL + _GAP)
        draw.text((left - 16, y + _CELL / 2), label, _INK, font, anchor="rm")
        of_row = max(sum(counts[row]), 1)
        for column in range(len(labels)):
            x, share = left + column * (_CELL + _GAP), counts[row][column] / of_row
            draw.rounded_rectangle((x, y, x + _CELL, y + _CELL), 6, _shade(share))
            ink = _PAPER if share > 0.55 else _INK
            draw.text((x + _CELL / 2, y + _CELL / 2 - 8), f"{counts[row][column]:,}", ink, font, anchor="mm")
            draw.text((x + _CELL / 2, y + _CELL / 2 + 14), f"{share:.0%}", ink, small, anchor="mm")
    return picture


def _fitting(label: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    while font.getlength(label) > _CELL and len(label) > 2:
        label = f"{label.rstrip('…')[:-1]}…"
    return label


def _shade(share: float) -> tuple[int, int, int]:
    light = (241, 245, 249)
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(light, _FULL, strict=True))
    return red, green, blue
