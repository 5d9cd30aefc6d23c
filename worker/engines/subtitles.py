"""Subtitles: sentences with times, as SRT and WebVTT, and drawn into pictures. Knows no films and no recognisers."""

import html
import math
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

#: Characters of a line, and lines shown together: what can be read in passing.
_LINE, _LINES = 42, 2
#: Parts of the picture's height: a letter, and what stays free below. Pixels: the smallest letter that can be read.
_LETTER, _BELOW, _SMALLEST = 0.065, 0.05, 13
#: Of a letter's height: how wide a letter is about, and how thick the dark rim that keeps it readable on any ground.
_WIDTH, _RIM = 0.5, 0.1


@dataclass(frozen=True)
class Cue:
    """What is shown from one time to another, in seconds."""

    start: float
    end: float
    text: str


def cues(spoken: Iterable[tuple[float, float, str]]) -> list[Cue]:
    """Sentences with their times in pieces that can be read; a long one's time is shared out by the letters."""
    return [cue for start, end, text in spoken for cue in _pieces(start, end, text)]


def srt(shown: Iterable[Cue]) -> str:
    """A SubRip file."""
    blocks = (
        f"{number}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n{_wrapped(cue.text)}\n"
        for number, cue in enumerate(shown, start=1)
    )
    return "\n".join(blocks)


def vtt(shown: Iterable[Cue]) -> str:
    """A WebVTT file."""
    blocks = (
        f"{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}\n{html.escape(_wrapped(cue.text), quote=False)}\n"
        for cue in shown
    )
    return "\n".join(["WEBVTT\n", *blocks])


def at(shown: Iterable[Cue], second: float) -> str:
    """What is to be read at a time; empty where nothing is."""
    return next((cue.text for cue in shown if cue.start <= second < cue.end), "")


def draw(image: Image.Image, text: str) -> Image.Image:
    """The picture with a text at its bottom, white with a dark rim, wrapped to the picture's width."""
    if not text:
        return image
    size = max(_SMALLEST, round(image.height * _LETTER))
    line = max(8, min(_LINE, int(image.width * 0.9 / (size * _WIDTH))))
    drawn = image.copy()
    ImageDraw.Draw(drawn).multiline_text(
        (image.width / 2, image.height * (1 - _BELOW)),
        _wrapped(text, line),
        fill="white",
        stroke_fill="black",
        stroke_width=max(1, round(size * _RIM)),
        font=ImageFont.load_default(size),
        anchor="md",
        align="center",
    )
    return drawn


def _pieces(start: float, end: float, text: str) -> Iterator[Cue]:
    parts = math.ceil(len(text) / (_LINE * _LINES))
    # Pieces of about one length: the last is not a single word.
    pieces = textwrap.wrap(text, max(_LINE, math.ceil(len(text) / max(1, parts)) + 8))
    letters, said = sum(map(len, pieces)), 0
    for piece in pieces:
        begin = start + (end - start) * said / letters
        said += len(piece)
        yield Cue(begin, start + (end - start) * said / letters, piece)


def _wrapped(text: str, line: int = _LINE) -> str:
    """In lines of about one length."""
    lines = max(1, math.ceil(len(text) / line))
    even = textwrap.wrap(text, max(line // 2, math.ceil(len(text) / lines) + 3))
    return "\n".join(
        even if len(even) <= lines and max(map(len, even), default=0) <= line else textwrap.wrap(text, line)
    )


def _clock(second: float, point: str) -> str:
    thousandths = round(second * 1000)
    hours, rest = divmod(thousandths, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{hours:02}:{minutes:02}:{rest // 1000:02}{point}{rest % 1000:03}"
