"""What an attempt notes of its own course: when it took its first step, and its latest."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from worker import attempt as module
from worker.attempt import Attempt


def test_loading_ends_with_the_first_step_and_saving_begins_after_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    nothing = cast(Any, None)
    attempt = Attempt(
        cast(Any, SimpleNamespace(id="job_1", seed=1)),
        db=nothing,
        storage=nothing,
        residency=nothing,
        torch_device="cpu",
        workdir=tmp_path,
        cache=tmp_path,
    )
    attempt.progress(0, None, "Loading the model")
    assert (attempt.last_progress.first_s, attempt.last_progress.last_s) == (None, None)
    for now, done in ((102.5, 1), (103.0, 2), (107.25, 8)):
        attempt.progress(done, 8)
        assert attempt.last_progress.first_s == 2.5
        assert attempt.last_progress.last_s == now - 100
