"""One fleet for all fault tests: each test leaves it running and healthy."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared import kinds
from tests.faults.fleet import ROOT, Fleet


@pytest.fixture(scope="session")
def fleet_parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    kinds.extend(ROOT / "tests" / "probe")
    fleet = Fleet(tmp_path_factory.mktemp("fleet"))
    fleet.start_worker()
    fleet.start_beat()
    yield fleet
    fleet.close()


@pytest.fixture
def fleet(fleet_parts: Fleet) -> Fleet:
    """The fleet, after the last test's damage is mended."""
    check = fleet_parts.submit(steps=1)
    assert fleet_parts.ended(check, 60).state == "succeeded"
    return fleet_parts


@pytest.fixture
def mark(fleet: Fleet) -> Path:
    return Path(fleet.mark())
