"""What a job has to expect before it is submitted: nothing where nothing is known."""

import pytest
from sqlalchemy import text

from shared import attempts, jobs, library, outlook, owners
from shared.claims import Claimant, claim
from shared.db import Database
from shared.devices import Report, Resident, report
from shared.job import Progress
from shared.outlook import Outlook
from shared.owners import Owner


@pytest.fixture
def owner(db: Database) -> Owner:
    for name in ("emoji", "digits"):
        library.add(db, None, name=name, task="text-to-image", source=f"hub:d/{name}", revision="0" * 40, title=name)
    return owners.ensure(db, "somebody")


def ask(db: Database, model: str = "emoji") -> Outlook:
    return outlook.outlook(db, "generate_image", model, f"{model}@{'0' * 16}", "accelerated")


def device(db: Database, name: str, state: str = "idle", *holds: str) -> None:
    resident = tuple(Resident(f"{each}@{'0' * 16}", 1000) for each in holds)
    report(db, Report(f"host/{name}", "host", name, name, "cpu", f"wkr_{name}", state, 1, 0, resident))  # type: ignore[arg-type]


def test_of_nothing_nothing_is_said(db: Database, owner: Owner) -> None:
    assert ask(db) == Outlook(None, 0, None, 0, free=False, ready_on=None)


def test_time_place_and_who_is_ready(db: Database, owner: Owner) -> None:
    jobs.submit(db, owner, "generate_image", {"prompt": "a"})
    job = claim(db, Claimant("w", "host/one", ("accelerated",)), lease_s=60)
    assert job is not None
    attempts.finish(db, job, [], progress=Progress(), metrics={})
    with db.begin() as connection:
        connection.execute(text("update costs set seconds = 12"))
    for _ in range(3):
        jobs.submit(db, owner, "generate_image", {"prompt": "a"})
    jobs.submit(db, owner, "generate_image", {"prompt": "later"}, priority=0)
    device(db, "one", "busy", "emoji")
    device(db, "two", "busy")
    assert ask(db) == Outlook(12.0, 3, 18.0, 2, free=False, ready_on="host/one")
    assert ask(db, "digits") == Outlook(None, 3, 18.0, 2, free=False, ready_on=None)


def test_of_a_long_line_only_that_it_is_long(db: Database, owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlook, "MOST_AHEAD", 2)
    for _ in range(4):
        jobs.submit(db, owner, "generate_image", {"prompt": "a"})
    device(db, "one")
    found = ask(db)
    assert found.long_line
    assert (found.ahead, found.wait_s, found.free) == (3, None, True)
