"""Whether a learner goes on exactly where it was: killed, and run again on what the first attempt had stored."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from shared.errors import Superseded
from tests.engines.trainees import Place
from worker.engines.training.loop import train
from worker.engines.training.plan import Plan


def leaves(state: Any) -> list[torch.Tensor]:
    """All tensors of a state."""
    if isinstance(state, torch.Tensor):
        return [state]
    if isinstance(state, dict):
        return [each for value in state.values() for each in leaves(value)]
    return [each for value in state for each in leaves(value)] if isinstance(state, list | tuple) else []


def same(first: Any, second: Any) -> bool:
    """Whether two states are equal, bit for bit."""
    pairs = list(zip(leaves(first), leaves(second), strict=True))
    return len(pairs) > 0 and all(torch.equal(one, other) for one, other in pairs)


def check_resume(make: Callable[[], Any], plan: Plan, folder: Path, deaths: tuple[int, ...]) -> None:
    """A run that dies at each of these steps ends as one that does not; one with another seed does not."""
    (folder / "whole").mkdir()
    whole = make()
    train(whole, plan, Place(folder / "whole"))
    for death in deaths:
        (folder / str(death)).mkdir()
        place = Place(folder / str(death), die_at=death)
        with pytest.raises(Superseded):
            train(make(), plan, place)
        torch.rand(death)  # another process has other dice
        again = make()
        train(again, plan, place.again())
        assert same(again.weights(), whole.weights()), f"killed at step {death}"
        assert same(again.state(), whole.state()), f"killed at step {death}"
    assert not same(make().weights(), whole.weights())
