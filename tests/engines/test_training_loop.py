"""The loop of every training kind: it goes on where it was, bit for bit, and ends as it was asked to."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from shared.errors import JobError, Pruned, Superseded
from tests.engines.trainees import Line, Place, SteppedAside
from worker.engines.training.descent import Descending, Descent, Moment
from worker.engines.training.loop import train
from worker.engines.training.order import Order
from worker.engines.training.plan import Heed, Plan
from worker.engines.training.rates import rate
from worker.engines.training.state import read_state, write_state

PLAN = Plan(batch=6, steps=25, seed=3, at_once=6, evaluate_every=5, checkpoint_steps=4)


def same(one: Line, other: Line) -> bool:
    """Whether two models are equal, bit for bit."""
    pairs = zip(one.model.parameters(), other.model.parameters(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.fixture
def whole(tmp_path: Path) -> Line:
    """A run that nothing disturbed."""
    (tmp_path / "whole").mkdir()
    line = Line()
    train(line, PLAN, Place(tmp_path / "whole"))
    return line


@pytest.mark.parametrize("at", range(1, 25))
def test_a_run_that_was_killed_at_any_step_ends_with_the_same_weights(tmp_path: Path, whole: Line, at: int):
    place = Place(tmp_path, die_at=at)
    with pytest.raises(Superseded):
        train(Line(), PLAN, place)
    torch.rand(at)  # another process has other dice

    line = Line(seed=0)
    outcome = train(line, PLAN, place.again())

    assert same(line, whole)
    assert outcome.steps == 25
    assert sorted(place.points["loss"]) == list(range(1, 26))


def test_a_cold_start_would_not_end_with_the_same_weights(tmp_path: Path, whole: Line):
    line = Line()
    train(line, replace(PLAN, seed=4), Place(tmp_path))

    assert not same(line, whole)


def test_what_steps_aside_comes_back_and_loses_no_step(tmp_path: Path, whole: Line):
    place = Place(tmp_path, wishes={7: "yield", 13: "pause"})
    for _ in range(2):
        with pytest.raises(SteppedAside):
            train(Line(), replace(PLAN, checkpoint_steps=1000), place)
        place.again()
    line = Line()
    train(line, PLAN, place)

    assert same(line, whole)
    assert place.done == 25


def test_a_trial_that_is_given_up_ends_at_once(tmp_path: Path):
    place = Place(tmp_path, wishes={10: "prune"})
    with pytest.raises(Pruned):
        train(Line(), PLAN, place)
    assert place.done == 10
    assert max(place.points["loss"]) == 10


def test_a_trial_at_its_end_is_judged_and_not_given_up(tmp_path: Path, whole: Line):
    class Judging(Line):
        def evaluate(self, heed: Heed) -> Mapping[str, float]:
            heed()
            return super().evaluate(heed)

    line = Judging()
    assert train(line, PLAN, Place(tmp_path, wishes={25: "prune"})).ending == "finished"
    assert same(line, whole)


@pytest.mark.parametrize("asked", [0, 10, 25])
def test_a_long_evaluation_makes_room_and_is_done_again(tmp_path: Path, whole: Line, asked: int):
    # given a run that is asked to step aside while it judges: at its beginning, in its middle, at its end
    class Judging(Line):
        def evaluate(self, heed: Heed) -> Mapping[str, float]:
            if place.attempt == 0 and place.done == asked:
                place.wishes[asked] = "yield"
            return super().evaluate(heed)

    place = Place(tmp_path)
    with pytest.raises(SteppedAside):
        train(Judging(), PLAN, place)

    # then the next attempt judges anew and ends as if nothing had been
    line = Judging()
    outcome = train(line, PLAN, place.again())
    assert same(line, whole)
    assert sorted(place.points["validation_loss"]) == [0, 5, 10, 15, 20, 25]
    assert outcome.before["validation_loss"] == place.points["validation_loss"][0]


def test_what_ended_early_does_not_go_on_after_making_room(tmp_path: Path):
    class Worse(Line):
        def evaluate(self, heed: Heed) -> Mapping[str, float]:
            if place.attempt == 0 and place.done == 15:
                place.wishes[15] = "pause"
            return {**super().evaluate(heed), "score": -float(place.done)}

    place = Place(tmp_path)
    plan = replace(PLAN, judged_by="score", less_is_better=False, patience=2, keep_best=False)
    with pytest.raises(SteppedAside):
        train(Worse(), plan, place)
    outcome = train(Worse(), plan, place.again())

    assert (outcome.ending, outcome.steps) == ("early", 15)


def test_it_keeps_what_there_is_when_asked(tmp_path: Path):
    line = Line()
    outcome = train(line, PLAN, Place(tmp_path, wishes={11: "keep"}))

    assert (outcome.ending, outcome.steps) == ("kept", 11)
    assert outcome.after["validation_loss"] < outcome.before["validation_loss"]


def test_the_best_model_is_kept_not_the_last(tmp_path: Path):
    class Climbing(Line):
        def evaluate(self, heed: Heed) -> dict[str, float]:
            figures = dict(super().evaluate(heed))
            # Better until step 10, then worse: by what has been learned since.
            self.calls = getattr(self, "calls", -1) + 1
            return figures | {"score": [0.0, 1.0, 2.0, 1.5, 1.0, 0.5, 2.0][min(self.calls, 6)]}

    line = Climbing()
    plan = replace(PLAN, judged_by="score", less_is_better=False, patience=2)
    outcome = train(line, plan, Place(tmp_path))

    assert (outcome.ending, outcome.best_step, outcome.steps) == ("early", 10, 20)
    (tmp_path / "ten").mkdir()
    ten = Line()
    train(ten, replace(PLAN, keep_best=False), Place(tmp_path / "ten", wishes={10: "keep"}))
    assert same(line, ten)


def test_a_budget_ends_the_run_and_its_schedule_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    clock = [0.0]
    monkeypatch.setattr("worker.engines.training.loop.time.monotonic", lambda: clock[0])

    class Slow(Line):
        def learn(self, rows: Sequence[int], moment: Moment) -> Mapping[str, float]:
            clock[0] += 1
            return super().learn(rows, moment)

    place = Place(tmp_path)
    outcome = train(Slow(), replace(PLAN, steps=1000, budget_s=20, evaluate_every=250), place)

    assert (outcome.ending, outcome.steps) == ("budget", 20)
    # Four evaluations were asked for over the run, and the run is as long as the budget.
    assert sorted(place.points["validation_loss"]) == [0, 5, 10, 15, 20]
    rates = place.points["learning_rate"]
    assert rates[3] > 0.04
    assert rates[20] < 0.001


def test_where_memory_runs_out_the_same_batch_comes_in_more_pieces(tmp_path: Path, whole: Line):
    # Without dropout, whose dice fall otherwise for other pieces.
    def run(name: str, fits: int) -> tuple[Line, int]:
        (tmp_path / name).mkdir()
        line = Line(fits=fits)
        line.model[0].p = 0.0
        outcome = train(line, PLAN, Place(tmp_path / name))
        return line, outcome.at_once

    (large, at_once), (small, less) = run("large", 100), run("small", 2)

    assert (at_once, less) == (6, 1)
    for one, other in zip(large.model.parameters(), small.model.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_what_does_not_fit_even_alone_is_out_of_memory(tmp_path: Path):
    with pytest.raises(torch.OutOfMemoryError):
        train(Line(fits=0), PLAN, Place(tmp_path))


def test_a_loss_that_is_no_number_ends_the_run_with_the_last_good_weights_and_names_the_rows(tmp_path: Path):
    line = Line(wrong=[17])
    outcome = train(line, PLAN, Place(tmp_path))

    assert outcome.ending == "broken"
    assert "line 18" in outcome.broken
    assert "not a number at step" in outcome.broken
    assert all(torch.isfinite(each).all() for each in line.model.parameters())


@pytest.mark.parametrize("at_once", [1, 2, 3, 5])
def test_pieces_of_a_ragged_batch_give_the_gradients_of_the_whole(at_once: int):
    lengths = [1, 7, 2, 9, 4, 3]

    def gradients(at_once: int) -> torch.Tensor:
        torch.manual_seed(0)
        layer = torch.nn.Linear(4, 1)
        rows = [torch.randn(length, 4) for length in lengths]
        descent = Descent(layer.parameters(), Descending(0.0, clip=None))
        seen = []
        layer.weight.register_hook(lambda grad: seen.append(grad.clone()))
        descent.step(
            range(6),
            Moment(0, 0.5, at_once),
            loss=lambda part: sum((layer(rows[row]) ** 2).sum() for row in part),
            weigh=lambda part: sum(lengths[row] for row in part),
        )
        return torch.stack(seen).sum(0)

    assert torch.allclose(gradients(at_once), gradients(6), rtol=1e-5)


def test_each_epoch_has_every_example_once_in_an_order_of_its_own():
    order = Order(10, 4, seed=1)
    epochs = [[row for _ in range(order.per_epoch) for row in order.take()] for _ in range(3)]

    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]


@pytest.mark.parametrize(
    ("schedule", "fraction", "share"),
    [
        ("constant", 0.5, 1.0), ("linear", 0.55, 0.5), ("cosine", 0.55, 0.5), ("cosine", 0.05, 0.5),
        ("linear", 1.0, 0.1), ("cosine", 1.0, 0.1), ("constant", 0.0, 0.0),
    ],
)  # fmt: skip
def test_the_rate_rises_and_falls(schedule: str, fraction: float, share: float):
    floor = 0.1 if fraction == 1 else 0.0

    assert rate(schedule, fraction, warm_up=0.1, floor=floor) == pytest.approx(share)


def test_a_state_comes_back_as_it_was_and_what_is_none_is_refused(tmp_path: Path):
    tied = torch.randn(3)
    state = {"a": tied, "b": [tied, 1, None, "x"], "c": {0: {"step": torch.tensor(2.0)}, "lr": 0.1}}
    write_state(tmp_path / "s.safetensors", state)
    back = read_state(tmp_path / "s.safetensors")

    assert torch.equal(back["a"], tied)
    assert torch.equal(back["b"][0], tied)
    assert back["b"][1:] == [1, None, "x"]
    assert back["c"][0]["step"] == 2
    (tmp_path / "bad").write_bytes(b"not a state")
    with pytest.raises(JobError, match="cannot be read"):
        read_state(tmp_path / "bad")
