"""Learning labels of texts and of words: what is trained, what is not, how it is judged, and that it comes back."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from shared.errors import JobError, Superseded
from tests.engines.library import Library, source
from tests.engines.trainees import Place
from worker.engines.encoders import load_encoder
from worker.engines.tagging import spans, windows
from worker.engines.training.confusion import draw_confusion
from worker.engines.training.descent import Descending
from worker.engines.training.heads import Adapting, Headed, Method, load_headed, save_headed
from worker.engines.training.labelled import (
    IGNORED,
    LabelLearner,
    TextLabels,
    WordLabels,
    labels_of,
    marked_texts,
    marked_words,
    tags_of,
)
from worker.engines.training.loop import train
from worker.engines.training.plan import Plan
from worker.engines.training.weights import trained_weights

TEXTS = [
    {"text": text, "label": label, "line": number + 1}
    for number, (text, label) in enumerate(
        [
            ("the cat is good", "kind"),
            ("a very good dog", "kind"),
            ("the cat is bad", "harsh"),
            ("a bad, bad dog", "harsh"),
        ]
        * 3
    )
]
WORDS = [
    {"tokens": ["Maria", "saw", "the", "cat", "."], "tags": ["B-PER", "O", "O", "O", "O"], "line": 1},
    {"tokens": ["the", "dog", "saw", "Maria", "Gonzalez"], "tags": ["O", "O", "O", "B-PER", "I-PER"], "line": 2},
]
HOW = Descending(5e-3, warm_up=0.0, schedule="constant")


def headed(
    library: Library, task: str, labels: tuple[str, ...], method: Method = "lora", name: str = "tiny-bert"
) -> Headed:
    """The same fresh head each time."""
    base = library[name]  # which may have to be made first, with dice of its own
    torch.manual_seed(0)
    return load_headed(base, task, labels, Adapting(method, rank=4, alpha=8), 64, "cpu")


def text_learner(library: Library, method: Method = "lora", name: str = "tiny-bert") -> LabelLearner:
    head = headed(library, "text-classification", labels_of(TEXTS), method, name)
    return LabelLearner(TextLabels(head, marked_texts(head, TEXTS[:4])), marked_texts(head, TEXTS), HOW)


def word_learner(library: Library, method: Method = "lora") -> LabelLearner:
    head = headed(library, "token-classification", tags_of(WORDS), method)
    return LabelLearner(WordLabels(head, marked_words(head, WORDS)), marked_words(head, WORDS), HOW)


@pytest.mark.parametrize("name", ["tiny-bert", "tiny-roberta"])
@pytest.mark.parametrize("method", ["lora", "full", "top_layers", "head"])
def test_it_learns_what_it_is_shown_and_the_library_loads_what_it_learned(
    library: Library, tmp_path: Path, method: Method, name: str
):
    # given a model trained until it knows its few texts
    learner = text_learner(library, method, name)
    frozen = {key: each.clone() for key, each in learner.judge.model.named_parameters() if not each.requires_grad}
    outcome = train(learner, Plan(batch=12, steps=60, seed=1, at_once=12), Place(tmp_path))
    assert outcome.after["validation_loss"] != outcome.before["validation_loss"]
    # A head alone finds little in what a random base makes of a text.
    if method != "head":
        assert outcome.after["accuracy"] == 1.0
        assert learner.judge.report["confusion"] == [[2, 0], [0, 2]]
        assert learner.judge.report["per_label"]["kind"] == {"precision": 1.0, "recall": 1.0, "f1": 1.0, "rows": 2}

    # then what was not to be trained is as it was, bit for bit
    now = dict(learner.judge.model.named_parameters())
    assert all(torch.equal(now[key], each) for key, each in frozen.items())

    # and the folder is a model that says the same
    (tmp_path / "made").mkdir()
    needs_base = save_headed(learner.judge.headed, tmp_path / "made", library[name])
    assert needs_base == (method == "lora")
    made = source("made", tmp_path / "made", task="text-classification")
    encoder = load_encoder(made, library[name] if needs_base else None, "cpu")
    assert encoder.labels == ("harsh", "kind")
    learner.judge.model.eval()
    with torch.inference_mode():
        ours = learner.judge._logits(learner.judge.held[:1])
        theirs = encoder.logits([learner.judge.held[0].tokens])
    assert torch.allclose(ours, theirs, atol=1e-5)


def test_a_lora_says_at_step_nothing_what_its_base_says(library: Library):
    plain, adapted = (
        headed(library, "text-classification", ("a", "b"), method).model.eval() for method in ("full", "lora")
    )
    ids = torch.tensor([[1, 5, 6, 7]])
    with torch.inference_mode():
        assert torch.equal(plain.bert(ids).last_hidden_state, adapted.base_model.model.bert(ids).last_hidden_state)


@pytest.mark.parametrize("at", [3, 8])
def test_a_run_that_was_killed_ends_with_the_same_weights(library: Library, tmp_path: Path, at: int):
    plan = Plan(batch=5, steps=11, seed=2, at_once=5, evaluate_every=4, checkpoint_steps=3)
    (tmp_path / "whole").mkdir()
    whole = text_learner(library)
    train(whole, plan, Place(tmp_path / "whole"))

    place = Place(tmp_path, die_at=at)
    with pytest.raises(Superseded):
        train(text_learner(library), plan, place)
    again = text_learner(library)
    train(again, plan, place.again())

    mine, theirs = trained_weights(again.judge.model), trained_weights(whole.judge.model)
    assert all(torch.equal(mine[key], theirs[key]) for key in theirs)


def test_the_first_token_of_a_word_has_its_tag_and_the_rest_count_for_nothing(library: Library):
    head = headed(library, "token-classification", tags_of(WORDS))
    example = marked_words(head, WORDS)[1]
    words = head.tokenizer(WORDS[1]["tokens"], is_split_into_words=True).word_ids(0)

    expected: list[int] = []
    for place, word in enumerate(words):
        first = word is not None and word != (words[place - 1] if place else None)
        expected.append(head.labels.index(WORDS[1]["tags"][word]) if first else IGNORED)
    assert example.labels == expected
    assert len(example.tokens) == len(example.labels)
    assert example.name == "line 2"


def test_words_are_learned_and_tagged_by_the_engine_that_tags(library: Library, tmp_path: Path):
    learner = word_learner(library)
    outcome = train(learner, Plan(batch=2, steps=80, seed=1, at_once=2), Place(tmp_path))
    assert outcome.after["f1"] == 1.0
    assert "PER" in learner.judge.report["seqeval"]

    (tmp_path / "made").mkdir()
    save_headed(learner.judge.headed, tmp_path / "made", library["tiny-bert"])
    encoder = load_encoder(source("made", tmp_path / "made", task="token-classification"), library["tiny-bert"], "cpu")
    text = "the dog saw Maria Gonzalez"
    (window,) = windows(encoder, 0, text)
    (found,) = spans(encoder, text, [(window, encoder.logits([window.tokens])[0])])
    assert (found.text, found.label) == ("Maria Gonzalez", "PER")


@pytest.mark.parametrize(
    ("true", "said", "f1"),
    [
        (["B-PER", "I-PER", "O"], ["B-PER", "I-PER", "O"], 1.0),
        (["B-PER", "I-PER", "O"], ["B-PER", "O", "O"], 0.0),
        (["B-PER", "O", "B-ORG"], ["B-PER", "O", "O"], 2 / 3),
    ],
)
def test_entities_are_counted_whole(library: Library, true: list[str], said: list[str], f1: float):
    rows: list[dict[str, Any]] = [{"tokens": ["the", "cat", "saw"], "tags": true}, *WORDS]
    tags = tags_of([*rows, {"tags": ["B-ORG"]}])
    head = headed(library, "token-classification", tags)
    judge = WordLabels(head, marked_words(head, rows[:1]))
    places = [place for place, label in enumerate(judge.held[0].labels) if label != IGNORED]  # type: ignore[arg-type]
    tokens = torch.zeros(len(judge.held[0].tokens), dtype=torch.long)
    for place, tag in zip(places, said, strict=True):
        tokens[place] = tags.index(tag)

    assert judge._judge([tokens])["f1"] == pytest.approx(f1)


def test_what_cannot_be_learned_is_said(library: Library, tmp_path: Path):
    with pytest.raises(JobError, match="same label"):
        labels_of([{"text": "a", "label": "x"}])
    with pytest.raises(JobError, match="tagged"):
        tags_of([{"tokens": ["a"], "tags": ["O"]}])
    broken = tmp_path / "broken"
    shutil.copytree(library["tiny-bert"].folder, broken)
    next(broken.glob("*.safetensors")).write_bytes(b"nothing")
    with pytest.raises(JobError):
        load_headed(source("broken", broken), "text-classification", ("a", "b"), Adapting(), 32, "cpu")


def test_a_confusion_matrix_is_a_picture_whatever_the_labels():
    few = draw_confusion(["yes", "no"], [[3, 1], [0, 0]])
    many = draw_confusion([f"a very long label number {n}" for n in range(40)], [[1] * 40 for _ in range(40)])

    assert few.getpixel((few.width - 110, few.height - 180)) != (255, 255, 255)
    assert many.width < 2500
