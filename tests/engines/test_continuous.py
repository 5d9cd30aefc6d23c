"""Texts side by side on one model: each is what it would be alone, whoever comes and goes meanwhile."""

from functools import wraps

import pytest
import torch

from tests.engines.library import Library
from worker.engines.continuous import Chorus, Line, joinable
from worker.engines.decoding import row_of, write
from worker.engines.language import LanguageModel, load_language_model
from worker.engines.rows import Row
from worker.engines.sampling import Sampling, dice_of

FAMILIES = ["tiny-gpt2", "tiny-llama"]
PROMPTS = ["hello", "a much longer beginning of a text, which goes on for a while", "no", "why?"]


def sampling(**settings: object) -> Sampling:
    usual = {"max_new_tokens": 16, "temperature": 1.0, "top_k": 20, "top_p": 0.9, "repetition_penalty": 1.0}
    return Sampling(**{**usual, **settings})  # type: ignore[arg-type]


#: What each of the texts is asked for: nothing is shared but the model.
ASKED = [
    sampling(),
    sampling(temperature=0.0, max_new_tokens=9),
    sampling(repetition_penalty=1.3, temperature=0.7),
    sampling(top_k=0, top_p=1.0, stop=("e",)),
]


@pytest.fixture(params=FAMILIES)
def lm(request: pytest.FixtureRequest, library: Library) -> LanguageModel:
    return load_language_model(library[request.param], "cpu")


def line(lm: LanguageModel, prompt: str, how: Sampling, seed: int) -> Line:
    tokens = lm.encode(prompt)
    return Line(row_of(lm, tokens, how), tokens[0], how, dice_of([seed])[0])


def lines_of(lm: LanguageModel) -> list[Line]:
    return [line(lm, prompt, how, seed) for seed, (prompt, how) in enumerate(zip(PROMPTS, ASKED, strict=True))]


def alone(lm: LanguageModel) -> list[Row]:
    return [
        write(lm, lm.encode(prompt), how, seeds=[seed], on_step=lambda step, rows: None)[0]
        for seed, (prompt, how) in enumerate(zip(PROMPTS, ASKED, strict=True))
    ]


def told(rows: list[Row]) -> list[tuple[str, int, str | None]]:
    return [(row.text, row.tokens, row.finish) for row in rows]


def sing(chorus: Chorus) -> None:
    while chorus.lines:
        chorus.step()


def test_each_text_is_what_it_would_be_alone(lm: LanguageModel):
    # when texts of other lengths, settings and seeds begin together
    lines, chorus = lines_of(lm), Chorus(lm)
    chorus.join(lines)
    sing(chorus)

    # then each is what it is alone, and so is what the model thinks of it
    assert told([each.row for each in lines]) == told(alone(lm))
    assert [each.row.likelihood for each in lines] == pytest.approx([row.likelihood for row in alone(lm)], abs=1e-3)


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (1, 3, 0, 2)])
def test_texts_join_while_others_are_written(lm: LanguageModel, order: tuple[int, ...]):
    # when each joins three tokens after the one before it, a long prompt among short ones
    lines, chorus = lines_of(lm), Chorus(lm)
    for place in order:
        chorus.join([lines[place]])
        for _ in range(3):
            if chorus.lines:
                chorus.step()
    sing(chorus)

    assert told([each.row for each in lines]) == told(alone(lm))


def test_who_is_dropped_leaves_the_others_alone(lm: LanguageModel):
    # given texts side by side, when the longest is dropped in the middle
    lines, chorus = lines_of(lm), Chorus(lm)
    chorus.join(lines)
    chorus.step()
    chorus.drop([lines[1]])
    after = lines[1].row.tokens
    sing(chorus)

    # then it is written no further, and the others are what they are alone
    assert lines[1].row.tokens == after < ASKED[1].max_new_tokens
    expected = alone(lm)
    assert told([lines[n].row for n in (0, 2, 3)]) == told([expected[n] for n in (0, 2, 3)])


def test_places_that_nobody_has_any_more_are_given_back(lm: LanguageModel):
    # given a long prompt that is done early beside a short one
    long, short = line(lm, PROMPTS[1], sampling(max_new_tokens=3), 1), line(lm, "no", sampling(max_new_tokens=9), 2)
    chorus = Chorus(lm)
    chorus.join([long, short])
    for _ in range(3):
        chorus.step()

    # then the memory holds the short one's places alone
    (layer, *_) = chorus._memory.layers  # type: ignore[union-attr]
    assert layer.keys.shape[0] == 1
    assert layer.keys.shape[2] == len(short.prompt) + 3


def test_equal_prompts_are_read_once(lm: LanguageModel, monkeypatch: pytest.MonkeyPatch):
    read: list[torch.Size] = []
    forward = lm.model.forward

    @wraps(forward)
    def watched(*args: object, **given: torch.Tensor) -> object:
        read.append(given["input_ids"].shape)
        return forward(*args, **given)

    monkeypatch.setattr(lm.model, "forward", watched)
    write(lm, lm.encode("hello"), sampling(max_new_tokens=2), seeds=[1, 2, 3], on_step=lambda step, rows: None)
    assert [shape[0] for shape in read] == [1, 3]


def test_a_model_that_remembers_otherwise_writes_by_its_own_loop(library: Library):
    assert not joinable(load_language_model(library["tiny-t5"], "cpu"))
