"""A device group through the whole system: one device, one worker, and as many processes as members while it trains."""

import os
from collections.abc import Iterator

import psutil
import pytest

from shared import curves, devices, jobs, uploads
from shared.intake.caps import Caps
from shared.job import Job, JobState
from shared.storage import Storage
from shared.uploads import Arrived
from tests.faults.fleet import Fleet, gone
from tests.kinds.samples import rows

pytestmark = pytest.mark.timeout(300)
_PARAMS = {"width": 32, "layers": 1, "batch_size": 8, "evaluations": 1, "checkpoint_s": 1.0, "seed": 1}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A worker on a group of two, and a dataset."""
    fleet = Fleet(tmp_path_factory.mktemp("group"))
    # Without a beat, whose sweep would take jobs from a process that loads its libraries on a busy machine.
    fleet.start_worker(devices="cpu+cpu")
    path = fleet.folder / "texts.txt"
    path.write_text("\n".join(row["text"] for row in rows("text")))
    sent = uploads.keep(
        fleet.db, Storage(fleet.settings.storage), fleet.owner.id, Arrived(path, name=path.name), Caps()
    )
    checked = ordered(fleet, "check_dataset", name="texts", source=sent.artifact.id, format="text", validation=0.2)
    assert fleet.ended(checked, 90).state is JobState.SUCCEEDED
    yield fleet
    fleet.close()


def ordered(fleet: Fleet, kind: str, **params: object) -> Job:
    """A job that is pinned to the group."""
    (group,) = devices.list_devices(fleet.db)
    job = jobs.submit(fleet.db, fleet.owner, kind, params, device=group.id).job
    fleet.ringer.ring(job.pool)
    return job


def at_attempt(fleet: Fleet, job: Job, number: int) -> bool:
    """Whether it is tried again; rings, as a beat would."""
    fleet.ringer.ring(job.pool)
    return fleet.get(job).attempt == number


def mates(fleet: Fleet) -> list[psutil.Process]:
    return [each for each in fleet.child().children() if "worker.mate" in each.cmdline()]


def test_a_group_is_one_device_that_trains_and_the_next_job_names_the_model(fleet: Fleet):
    (group,) = devices.list_devices(fleet.db)
    assert (group.name, group.pool) == ("cpu:0+cpu:1", "cpu")
    assert group.title.endswith(" × 2")

    # when it trains, with every step by both
    trained = ordered(fleet, "train_rnn_lm", name="ours", dataset="texts", steps=6, **_PARAMS)
    helped = fleet.until(lambda: len(mates(fleet)) == 1, 60, "a second process")
    ended = fleet.ended(trained, 90)

    # then that is a training like any other
    assert helped < 60
    assert (ended.state, ended.error_message, ended.attempt) == (JobState.SUCCEEDED, None, 1)
    assert [step for step, _ in curves.read(fleet.db, [trained.id])[trained.id]["loss"]] == list(range(1, 7))
    assert mates(fleet) == []
    used = fleet.ended(ordered(fleet, "generate_text", prompt="hello", model="ours", max_new_tokens=4), 60)
    assert (used.state, used.error_message) == (JobState.SUCCEEDED, None)


def test_a_process_that_is_killed_costs_an_attempt_and_a_killed_leader_leaves_none(fleet: Fleet):
    trained = ordered(fleet, "train_rnn_lm", name="again", dataset="texts", steps=4000, **_PARAMS)
    # when the second process is killed after a checkpoint
    fleet.until(lambda: fleet.get(trained).progress.done > 10, 90, "it trains")
    (mate,) = mates(fleet)
    os.kill(mate.pid, 9)
    # then the job says so, and goes on from its checkpoint with a new one
    fleet.until(lambda: at_attempt(fleet, trained, 2), 60, "it is tried again")
    told = next(event for event in fleet.events(trained) if event.type not in {"submitted", "claimed"})
    assert "killed by signal 9" in str(told.data)
    fleet.until(lambda: fleet.get(trained).attempt == 2 and fleet.get(trained).progress.done > 10, 90, "it goes on")
    assert fleet.get(trained).crashes == 0

    # when the leader is killed, then so is the other
    (mate,) = mates(fleet)
    fleet.child().kill()
    fleet.until(lambda: gone(mate), 10, "no process is left")
    fleet.until(lambda: at_attempt(fleet, trained, 3), 90, "it is tried again")
    jobs.cancel(fleet.db, fleet.owner.id, trained.id)
    assert fleet.ended(trained, 60).state is JobState.CANCELLED
