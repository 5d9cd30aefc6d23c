"""What a search may try: lines read against a kind's own fields, and the questions that Optuna is asked."""

from typing import Any

import pytest

from shared import kinds, search_space
from shared.errors import Invalid
from shared.kinds.search_hyperparameters import SearchHyperparameters
from shared.search_lines import Choices, Range


def search(*space: str, training: str = "train_classifier", **more: Any) -> SearchHyperparameters:
    params = {"name": "moods", "dataset": "labels"} | more.pop("params", {})
    asked = {"training": training, "params": params, "space": list(space), **more}
    checked = kinds.validate("search_hyperparameters", asked)
    assert isinstance(checked, SearchHyperparameters)
    return checked


@pytest.mark.parametrize(
    ("line", "tried"),
    [
        ("learning_rate: 1e-5 to 1e-3, log", Range(1e-5, 1e-3, log=True)),
        ("rank: 4, 8, 16", Choices((4, 8, 16))),
        ("rank: 4 to 64, log", Range(4, 64, whole=True, log=True)),
        ("batch_size : 8 to 32, step 8", Range(8, 32, whole=True, step=8)),
        ("weight_decay=0 to 0.1", Range(0, 0.1)),
        ("method: lora, full", Choices(("lora", "full"))),
        ("keep_best: on, off", Choices((True, False))),
        ("clip: none, 0.5, 1", Choices((None, 0.5, 1.0))),
        ("  epochs:1 to 4 ", Range(1, 4)),
    ],
)
def test_a_line_is_a_range_or_values(line: str, tried: Range | Choices) -> None:
    (found,) = search_space.space_of(search(line)).values()
    assert found == tried


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("learning_rate", "Write a setting, a colon"),
        ("nonsense: 1 to 2", "no such setting to try. It has: epochs"),
        ("name: a, b", "no such setting"),
        ("seed: 1, 2", "no such setting"),
        ("rank: 4", "at least two values"),
        ("rank: 4, 4", "each once"),
        ("rank: 4, 0", "0 is not possible. Must be 1 or more."),
        ("rank: 4 to 9999", "9999 is not possible. Must be 512 or less."),
        ("rank: 4.5, 8", "“4.5” is not a whole number"),
        ("learning_rate: low to high", "“low” is not a number"),
        ("learning_rate: 1 to 0.1", "first number must be less"),
        ("weight_decay: 0 to 0.1, log", "begins above 0"),
        ("learning_rate: 1e-5 to inf", "not a finite number"),
        ("learning_rate: 1e-5 to 1e-3, slowly", "“slowly” is not understood"),
        ("batch_size: 8 to 32, log, step 8", "either log or a step"),
        ("batch_size: 8 to 32, step 99", "step must fit"),
        ("method: lora, magic", "magic is not possible. Must be one of"),
        ("method: lora to full", "Only numbers have ranges"),
        ("keep_best: on, maybe", "neither on nor off"),
        ("rank: none, 4", "“none” is not a number"),
    ],
)
def test_a_line_that_cannot_be_is_named_with_its_field(line: str, sentence: str) -> None:
    with pytest.raises(Invalid) as caught:
        search_space.space_of(search("epochs: 1 to 4", line))
    assert caught.value.field == "space.1"
    assert str(caught.value).startswith(f"Line 2, “{line.partition(':')[0]}”: ")
    assert sentence in str(caught.value)


def test_every_bad_line_is_named_at_once() -> None:
    with pytest.raises(Invalid) as caught:
        search_space.space_of(search("rank: 0, 1", "epochs: 1 to 4", "epochs: 2 to 3"))
    assert [error["field"] for error in caught.value.errors] == ["space.0", "space.2"]


def test_an_empty_space_tries_the_rate_and_what_goes_with_it() -> None:
    space = search_space.space_of(search(params={"learning_rate": 0.02, "batch_size": 1}))
    assert {name: str(tried) for name, tried in space.items()} == {
        "learning_rate": "0.002 to 0.2, log",
        "rank": "8, 16, 32",
        "batch_size": "1, 2",
    }
    assert "rank" not in search_space.space_of(search(params={"method": "full"}))
    for kind in search_space.searchable():
        assert search_space.space_of(search(training=kind, params=_own(kind)))


def _own(kind: str) -> dict[str, Any]:
    required = set(kinds.schema(kind).get("required", ())) - {"name", "dataset"}
    return {name: kinds.params_class(kind).examples[0][name] for name in required}


def test_the_settings_of_all_trials_are_checked_as_those_of_the_kind() -> None:
    for params, field in (({"rank": 0}, "params.rank"), ({"name": "No!"}, "params.name"), ({"x": 1}, "params.x")):
        with pytest.raises(Invalid) as caught:
            search_space.check(search(params=params))
        assert caught.value.field == field
    for kind in ("generate_text", "search_hyperparameters", "nonsense"):
        with pytest.raises(Invalid) as caught:
            search_space.check(search(training=kind))
        assert caught.value.field == "training"


def test_the_figure_is_the_kinds_own_or_is_told_with_its_direction() -> None:
    assert search_space.judged(search()) == ("macro_f1", False)
    assert search_space.judged(search(training="train_rnn_lm")) == ("validation_loss", True)
    assert search_space.judged(search(metric="accuracy", direction="higher")) == ("accuracy", False)
    with pytest.raises(Invalid) as caught:
        search_space.judged(search(metric="accuracy"))
    assert caught.value.field == "direction"


def test_a_trial_is_never_promoted_by_itself_and_has_the_searchs_seed() -> None:
    asked = search("rank: 4, 8", params={"promote": "always"})
    trial = search_space.trial_of(asked, {"rank": 8}, 7)
    assert (trial.promote, trial.seed, trial.name) == ("never", 7, "moods")
    assert search_space.trial_of(search("rank: 4, 8", params={"seed": 3}), {"rank": 8}, 7).seed == 3
    assert search_space.start_of(search("rank: 4, 8"), search_space.space_of(search("rank: 4, 8"))) is None
    assert search_space.start_of(search("rank: 4, 16"), search_space.space_of(search("rank: 4, 16"))) == {"rank": 16}


def test_a_form_sends_the_settings_as_text() -> None:
    asked = {"training": "train_vae", "params": '{"name": "a", "dataset": "b"}'}
    assert kinds.validate("search_hyperparameters", asked, strict=False).params == {"name": "a", "dataset": "b"}  # type: ignore[attr-defined]
    with pytest.raises(Invalid, match="This is not JSON"):
        kinds.validate("search_hyperparameters", asked | {"params": "{name: a}"}, strict=False)
