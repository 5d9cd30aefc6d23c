"""Curves at Weights & Biases: sent where that is wanted and possible; whatever happens there, the training goes on."""

import logging
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from shared.settings import Settings
from worker import mirror
from worker.mirror import mirrored
from worker.points import Points

_AWAY = """
import time

class Settings:
    def __init__(self, **_): ...

def init(**_):
    {becomes}
"""


def training(folder: Path, kind: str = "train_rnn_lm") -> Any:
    """What the mirror sees of an attempt."""
    params = {"name": "ours", "steps": 9, "dropout": 0.5, "packing": True, "virtual_text": "my secret"}
    job = SimpleNamespace(id="job_1", kind=kind, params=params)
    return SimpleNamespace(job=job, points=Points(cast("Any", None), cast("Any", job)), workdir=folder)


def learn(attempt: Any, settings: Settings) -> None:
    with mirrored(attempt, settings):
        for step in (1, 2, 2, 3):
            attempt.points.add("loss", step, 1 / step)


@pytest.fixture
def wanted(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, wandb_api_key="0" * 40)


def test_without_a_key_nothing_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    attempt = training(tmp_path)
    with mirrored(attempt, Settings(home=tmp_path)):
        assert attempt.points.heard_by is None


def test_what_does_not_train_has_no_curves(tmp_path: Path, wanted: Settings):
    attempt = training(tmp_path, "generate_text")
    with mirrored(attempt, wanted):
        assert attempt.points.heard_by is None


@pytest.mark.skipif("wandb" in sys.modules or mirror.find_spec("wandb") is not None, reason="it is installed")
def test_a_key_without_the_package_is_told_and_the_training_goes_on(
    tmp_path: Path, wanted: Settings, caplog: pytest.LogCaptureFixture
):
    learn(training(tmp_path), wanted)
    assert [each.getMessage() for each in caplog.records] == [
        "WANDB_API_KEY is set, but the package wandb is not installed: curves are shown here alone."
    ]


@pytest.mark.parametrize(
    ("becomes", "told"),
    [("raise SystemExit('no network')", "no network"), ("time.sleep(60)", "did not answer in time")],
)
def test_an_outage_breaks_no_training_and_holds_none_up(
    tmp_path: Path, wanted: Settings, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, becomes: str,
    told: str,
):  # fmt: skip
    # given a package that raises, or waits for a network that is away
    (tmp_path / "wandb.py").write_text(_AWAY.format(becomes=becomes))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(mirror, "LEAVE_S", 0.2)
    began = time.monotonic()
    with caplog.at_level(logging.WARNING):
        learn(training(tmp_path), wanted)
    assert time.monotonic() - began < 5
    assert told in caplog.text
    sys.modules.pop("wandb", None)


def test_the_key_is_not_in_what_settings_say_of_themselves(wanted: Settings):
    assert "0" * 40 not in repr(wanted)


def test_the_package_itself_takes_the_curves(tmp_path: Path, wanted: Settings, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("wandb", reason="pip install 'atelier[wandb]'")
    monkeypatch.setenv("WANDB_MODE", "offline")
    # given an attempt, and another that goes on from a step before
    learn(training(tmp_path), wanted)
    learn(training(tmp_path), wanted)
    # then there are two pieces of one run, with names, figures and numbers, and no text of anybody's
    files = list(tmp_path.glob("wandb/offline-run-*/run-job_1.wandb"))
    assert files
    said = b"".join(each.read_bytes() for each in files)
    for word in (b"loss", b"train_rnn_lm", b"dropout", b"ours"):
        assert word in said
    for word in (b"my secret", b"0" * 40, str(Path.cwd()).encode()):
        assert word not in said
