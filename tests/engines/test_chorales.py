"""The starter composer: the words it knows, and how well it foresees chorales that it never saw."""

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import starters.chorale
from worker.engines.chorale import TOKENS, VOICES, load_chorale
from worker.engines.chorales import understood

FOLDER = Path(starters.chorale.__path__[0])


@pytest.mark.parametrize(
    ("prompt", "key", "tempo", "timbre"),
    [
        ("anything", "C major", 72, "organ"),
        ("a slow chorale in D minor", "D minor", 56, "organ"),
        ("A FAST piece in G for harp", "G major", 116, "harp"),
        ("sad strings in c sharp", "C♯ minor", 72, "strings"),
        ("B flat major, moderate, piano", "B♭ major", 80, "piano"),
        ("in F# minor", "F♯ minor", 72, "organ"),
        ("something dark", "A minor", 72, "organ"),
        ("a minor chorale", "A minor", 72, "organ"),
        ("a major change in a garden", "A major", 72, "organ"),
    ],
)
def test_the_words_it_understands(prompt: str, key: str, tempo: float, timbre: str):
    wish = understood(prompt)
    assert (wish.key, wish.tempo, wish.timbre) == (key, tempo, timbre)


def test_it_foresees_chorales_that_it_never_saw():
    net = load_chorale(FOLDER / "model")
    lost, count = 0.0, 0
    for piece in load_file(FOLDER / "heldout.safetensors").values():
        tokens, context = piece[None, :, :VOICES].long(), piece[None, :, VOICES:].long()
        with torch.inference_mode():
            scores = net(tokens, context)
        lost += float(torch.nn.functional.cross_entropy(scores.flatten(0, 2), tokens.flatten(), reduction="sum"))
        count += tokens.numel()
    # Nats a token: guessing evenly loses 3.91; the stored weights were measured at 0.743.
    assert lost / count < 0.76 < math.log(TOKENS)
