"""A device that fails three times in ten minutes rests."""

import time
from pathlib import Path

import pytest

from worker.health import MAX_FAULTS, WINDOW_S, Health, is_fatal


def test_three_faults_rest_a_device_and_are_told(tmp_path: Path) -> None:
    health = Health(tmp_path / "cuda-0.faults")
    for _ in range(MAX_FAULTS):
        assert not health.quarantined()
        health.record()
    assert health.quarantined()
    assert "tried again" in health.note()


def test_faults_are_forgotten_after_the_window(tmp_path: Path) -> None:
    file = tmp_path / "cuda-0.faults"
    file.write_text("\n".join(str(time.time() - WINDOW_S - 1) for _ in range(MAX_FAULTS)))
    assert not Health(file).quarantined()


def test_a_damaged_file_of_faults_is_no_fault(tmp_path: Path) -> None:
    file = tmp_path / "cuda-0.faults"
    file.write_text("rubbish")
    assert Health(file).faults() == []


def test_the_self_test_passes_on_a_device_that_works(tmp_path: Path) -> None:
    health = Health(tmp_path / "cpu-0.faults")
    health.self_test("cpu")
    assert health.faults() == []


@pytest.mark.parametrize(
    ("error", "fatal"),
    [
        (RuntimeError("CUDA error: an illegal memory access was encountered"), True),
        (RuntimeError("CUDA error: device-side assert triggered"), True),
        (RuntimeError("shapes do not match"), False),
        (ValueError("CUDA error"), False),
    ],
)
def test_only_errors_that_lose_the_context_are_fatal(error: Exception, fatal: bool) -> None:
    assert is_fatal(error) is fatal
