"""A training on a device group: the same steps as on one device, and nobody waits for who is gone."""

import contextlib
import os
import time
from pathlib import Path

import psutil
import pytest
import torch
from torch import distributed

from shared.errors import Superseded
from tests.engines.companions import KINDS, PLAN, Fated, group
from tests.engines.trainees import Line, Place
from worker import mates
from worker.engines.training import company
from worker.engines.training.company import MateLost
from worker.engines.training.loop import train
from worker.engines.training.plan import Outcome
from worker.engines.training.state import read_state


@pytest.fixture(autouse=True)
def kinds_of_the_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATELIER_KINDS_PATH", str(KINDS))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def on_group(place: Place, line: Fated, /, **params: object) -> Outcome:
    with group(place, **params):
        return train(line, PLAN, place)


def weights(line: Line) -> dict[str, torch.Tensor]:
    return line.model.state_dict()


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def test_two_make_the_steps_of_one_with_the_same_batch(tmp_path: Path):
    # given a run on one device, of rows that weigh differently
    (tmp_path / "alone").mkdir()
    place, alone = Place(tmp_path / "alone"), Fated(dropout=0)
    train(alone, PLAN, place)

    # when two make it
    (tmp_path / "both").mkdir()
    both, line, mark = Place(tmp_path / "both"), Fated(dropout=0), tmp_path / "mate.safetensors"
    on_group(both, line, line={"dropout": 0}, mark=str(mark))

    # then weights and curves are the same but for rounding
    for name, each in weights(line).items():
        torch.testing.assert_close(each, weights(alone)[name], rtol=1e-5, atol=1e-6)
    for name, points in place.points.items():
        assert both.points[name] == pytest.approx(points, rel=1e-4), name
    # and of both processes bit for bit
    assert equal(weights(line), read_state(mark))
    assert not equal(weights(line), weights(Fated()))
    # and this process is alone again
    assert not distributed.is_initialized()


def test_a_run_that_was_killed_ends_with_the_same_weights_on_the_group(tmp_path: Path):
    # given a run on the group that nothing disturbed, with dropout
    (tmp_path / "whole").mkdir()
    whole, mark = Fated(), tmp_path / "mate.safetensors"
    on_group(Place(tmp_path / "whole"), whole, mark=str(mark))

    # when another is killed after a step that no checkpoint holds, and goes on
    place = Place(tmp_path, die_at=7)
    with pytest.raises(Superseded):
        on_group(place, Fated())
    torch.rand(5)
    line = Fated()
    on_group(place.again(), line, mark=str(mark))

    # then both processes end with the same weights, bit for bit
    assert equal(weights(line), weights(whole))
    assert equal(weights(line), read_state(mark))


def mates_alive() -> list[psutil.Process]:
    """What this process started as mates; a child of another test may end while it is looked at."""
    alive = []
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess):  # a zombie is one of these
            alive += [child] if "worker.mate" in child.cmdline() else []
    return alive


@pytest.mark.parametrize(
    ("fate", "why"),
    [
        ("killed", "it was killed by signal 9"),
        ("fails", "ValueError: this row is not for me"),
        ("hangs", "it no longer answers"),
    ],
)
def test_a_lost_process_ends_the_run_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fate: str, why: str
):
    if fate == "hangs":
        monkeypatch.setattr(company, "PATIENCE_S", 3.0)
        monkeypatch.setattr(mates, "_ENDS_S", 0.5)
    place = Place(tmp_path)
    began = time.monotonic()
    with pytest.raises(MateLost) as caught:
        on_group(place, Fated(), fate=fate, at=6)

    said = f"A process of the device group was lost: {why}. The training goes on from its last checkpoint."
    assert (str(caught.value), caught.value.code) == (said, "group_broken")
    assert time.monotonic() - began < 60
    assert mates_alive() == []
    # and the next attempt goes on
    assert "resume.safetensors" in place.store
    assert place.done == 6


@pytest.mark.parametrize(("who", "fate"), [(1, "short"), (0, "late")])
def test_memory_that_one_lacks_halves_the_pieces_of_both(tmp_path: Path, who: int, fate: str):
    # given that three examples at once are too many at step 6, or there is no memory left when weights change
    place, mark = Place(tmp_path), tmp_path / "mate.safetensors"
    line = Fated(fate=fate if who == 0 else "", at=6)
    outcome = on_group(place, line, who=1, fate=fate if who == 1 else "", at=6, mark=str(mark))

    # then the run went back to its checkpoint with pieces of one, and both are still alike
    assert (outcome.at_once, outcome.halved, outcome.steps) == (1, 1, 13)
    assert line.tried[4:9] == [(4, 3), (5, 3), (6, 3), (4, 1), (5, 1)]
    assert equal(weights(line), read_state(mark))


def test_a_loss_that_is_no_number_breaks_the_run_on_both(tmp_path: Path):
    line = Fated(wrong=[20])
    outcome = on_group(Place(tmp_path), line, line={"wrong": [20]})

    assert outcome.ending == "broken"
    assert outcome.broken is not None
    assert "line 21" in outcome.broken


def test_other_data_is_found_out_before_the_first_step(tmp_path: Path):
    line = Fated()
    line.count = 40
    with pytest.raises(MateLost, match="another number of examples"):
        on_group(Place(tmp_path), line)


def test_the_others_die_with_the_leader(tmp_path: Path):
    # given a leader of its own process, which waits for ever
    ready = tmp_path / "ready"
    child = os.fork()
    if child == 0:
        with group(Place(tmp_path)):
            ready.touch()
            time.sleep(600)
    try:
        until = time.monotonic() + 30
        mates: list[psutil.Process] = []
        while not (ready.exists() and mates) and time.monotonic() < until:
            mates = psutil.Process(child).children()
            time.sleep(0.05)
        # when it is killed, then so is the other
        os.kill(child, 9)
        _, alive = psutil.wait_procs(mates, timeout=10)
        assert mates
        assert alive == []
    finally:
        os.waitpid(child, 0)
