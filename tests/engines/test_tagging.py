"""Spans of texts: joining words, windows of long texts, and places in the text as it was given."""

import pytest
import torch

from tests.engines.library import Library
from worker.engines.encoders import Encoder, load_encoder
from worker.engines.tagging import spans, windows

NUMBER = {"O": 0, "B-PER": 1, "I-PER": 2, "B-LOC": 3, "I-LOC": 4}


@pytest.fixture(scope="module")
def tagger(library: Library) -> Encoder:
    return load_encoder(library["tiny-tagger"], None, "cpu")


def _spans(tagger: Encoder, text: str, *labels: str) -> list[tuple[str, str]]:
    """The spans of a text whose words have these labels; other tokens of a word say something else."""
    (window,) = windows(tagger, 0, text)
    logits = torch.zeros(len(window.tokens), len(NUMBER))
    logits[:, NUMBER["B-LOC"]] = 1.0
    for (place, _, _), label in zip(window.words, labels, strict=True):
        logits[place] = torch.nn.functional.one_hot(torch.tensor(NUMBER[label]), len(NUMBER)) * 9.0
    found = spans(tagger, text, [(window, logits)])
    assert all(text[span.start : span.end] == span.text for span in found)
    return [(span.text, span.label) for span in found]


@pytest.mark.parametrize(
    ("text", "labels", "found"),
    [
        ("anna bell sings", "B-PER I-PER O", [("anna bell", "PER")]),
        ("anna bell sings", "B-PER B-PER O", [("anna", "PER"), ("bell", "PER")]),
        ("anna rome sings", "B-PER I-LOC O", [("anna", "PER"), ("rome", "LOC")]),
        ("anna bell sings", "I-PER I-PER O", [("anna bell", "PER")]),
        ("  Änna,  bell ", "B-PER O I-PER", [("Änna", "PER"), ("bell", "PER")]),
        ("o'neill in rome", "B-PER I-PER I-PER O B-LOC", [("o'neill", "PER"), ("rome", "LOC")]),
        ("nothing at all", "O O O", []),
    ],
)
def test_words_are_joined_as_their_labels_say(tagger: Encoder, text: str, labels: str, found: list):
    assert _spans(tagger, text, *labels.split()) == found


def test_a_long_text_is_read_in_windows_that_overlap(tagger: Encoder):
    # given a text of many windows
    text = " ".join(f"{'abcdefghij'[number % 10]}x" for number in range(120))
    parts = windows(tagger, 0, text)
    assert len(parts) > 3
    assert all(len(part.tokens) <= tagger.window for part in parts)
    # when every word of every window is a name of its own, then each word is there once, and in order
    logits = [torch.zeros(len(part.tokens), len(NUMBER)).index_fill(1, torch.tensor([1]), 5.0) for part in parts]
    found = spans(tagger, text, list(zip(parts, logits, strict=True)))
    assert [span.text for span in found] == text.split()


def test_a_word_in_two_windows_is_judged_where_more_is_around_it(tagger: Encoder):
    text = " ".join("ab" for _ in range(40))
    parts = windows(tagger, 0, text)
    # given a first window that calls everything a place, and others that see people
    sees = [torch.full((len(part.tokens),), NUMBER["B-LOC" if part is parts[0] else "B-PER"]) for part in parts]
    said = [torch.nn.functional.one_hot(labels, len(NUMBER)).float() * 9 for labels in sees]
    found = [span.label for span in spans(tagger, text, list(zip(parts, said, strict=True)))]
    # then the change is in the middle of what both read, not at an edge
    shared = [word for word in parts[0].words if word[1] >= parts[1].words[0][1]]
    change = found.index("PER")
    assert len(parts[0].words) - len(shared) < change < len(parts[0].words)
    assert found == ["LOC"] * change + ["PER"] * (len(found) - change)
