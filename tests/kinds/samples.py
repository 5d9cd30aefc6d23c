"""Small inputs of each medium, made when asked for: what an example's made-up artifact stands for in a test."""

import functools
import io
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from PIL import Image

from worker.context import InputFile

SPOKEN = "Nothing that was accepted is ever lost."
_COLOURS = ("red", "green", "blue")


def sample(media: str, folder: Path) -> InputFile:
    """A file of that medium in a folder."""
    if media == "audio":
        return InputFile(speech(SPOKEN), "speech.wav", "audio/wav")
    if media == "table":
        path = folder / "rows.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows("labelled")))
        return InputFile(path, path.name, "application/jsonl")
    raise KeyError(f"There is no sample for {media} yet.")


def rows(format_: str, count: int = 40) -> list[dict[str, Any]]:
    """Rows of a dataset of this format, from which a little can be learned."""
    makers: dict[str, Callable[[int], dict[str, Any]]] = {
        "text": lambda n: {"text": f"The owl counts to {n}. Then it sleeps in the old oak until the moon is up."},
        "prompt": lambda n: {
            "prompt": f"What comes after {n}?",
            "completion": f"{n + 1} comes after {n}, says the owl.",
        },
        "chat": lambda n: {
            "messages": [
                {"role": "user", "content": f"Is {n} even?"},
                {"role": "assistant", "content": "Hoo, ask again."},
            ]
        },
        "labelled": lambda n: {
            "text": f"The {('soup', 'walk', 'film', 'song')[n % 4]} was {('good', 'bad')[n % 2]}, number {n}.",
            "label": ("kind", "harsh")[n % 2],
        },
        "preference": lambda n: {
            "prompt": f"Count to {n}.",
            "chosen": f"{n}, with pleasure.",
            "rejected": f"No, {n} no.",
        },
        "entities": lambda n: {
            "tokens": [("Maria", "Peter")[n % 2], "lives", "in", ("Lyon", "Prague")[n % 2], "."],
            "tags": ["B-PER", "O", "O", "B-LOC", "O"],
        },
        "captioned": lambda n: {"file": f"files/{n}.png", "caption": f"a {_COLOURS[n % 3]} square"},
        "classed": lambda n: {"file": f"files/{n}.png", "label": _COLOURS[n % 3]},
    }
    return [makers[format_](number) for number in range(count)]


def pictures(count: int = 40) -> dict[str, bytes]:
    """The files that captioned and classed rows name: squares of one colour, no two alike."""
    made = {}
    for number in range(count):
        sink = io.BytesIO()
        square = Image.new("RGB", (16, 16), "white")
        square.paste(_COLOURS[number % 3], (2 + number % 5, 3 + number % 4, 11 + number % 3, 12))
        square.save(sink, "PNG")
        made[f"files/{number}.png"] = sink.getvalue()
    return made


@functools.cache
def speech(text: str) -> Path:
    """A WAV file in which the starter voice says a text."""
    from hibari import Hibari

    sound = Hibari()(text, seed=3)
    path = Path(tempfile.mkdtemp()) / "speech.wav"
    soundfile.write(path, np.asarray(sound), Hibari.sample_rate)
    return path
