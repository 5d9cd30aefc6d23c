"""When previews are made: seldom, and not where the result itself is as good as there."""

import pytest

from worker.engines import previews
from worker.engines.previews import Pace


@pytest.mark.parametrize(
    ("after_s", "done", "due"),
    [
        (0.5, 0.1, False),  # too soon
        (1.5, 0.1, True),
        (1.5, 0.9, False),  # a sixth of a second is left
        (60.0, 0.9, True),  # six seconds are
        (60.0, 1.0, False),
    ],
)
def test_a_preview_is_due_when_there_is_something_to_wait_for(
    monkeypatch: pytest.MonkeyPatch, after_s: float, done: float, due: bool
) -> None:
    now = 100.0
    monkeypatch.setattr(previews.time, "monotonic", lambda: now)
    pace = Pace()
    now += after_s
    assert pace.due(done) is due


def test_previews_take_a_thirtieth_of_the_time_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(previews.time, "monotonic", lambda: now)
    pace = Pace()
    now += 2
    with pace.spent():
        now += 0.5
    now += 14
    assert not pace.due(0.1)
    now += 2
    assert pace.due(0.1)
