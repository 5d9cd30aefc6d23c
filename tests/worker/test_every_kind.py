"""Every kind on every family of its models, through the whole system: real Postgres, Redis, object store, workers.

All is ordered at once, of one installation; each verdict is a test of its own.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from shared import artifacts, credentials, curves, datasets, kinds, trials, uploads, versions
from shared.contents import content_hash
from shared.errors import Invalid
from shared.intake.caps import Caps
from shared.job import Job, JobState
from shared.kinds.params import Creation
from shared.signing import signing_key
from shared.uploads import Arrived
from tests.kinds.shipped import GENERATING, TRAINING
from tests.worker.orders import FAMILIES, LONG, MEDIA, TWICE, Order
from tests.worker.trainings import LESSONS, Lesson, send
from tests.worker.workshop import Stopped, Workshop, model_field, read

pytestmark = pytest.mark.timeout(300)


@dataclass
class Done:
    """The installation, and what became of all that was ordered."""

    shop: Workshop
    jobs: dict[str, Job]
    stopped: dict[str, Stopped]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    shop = Workshop.open(tmp_path_factory.mktemp("workshop"))
    yield shop
    shop.fleet.close()


@pytest.fixture(scope="module")
def done(shop: Workshop) -> Done:
    """Everything ordered, then every long job cancelled."""
    tasks = sorted({kinds.params_class(kind).model_tasks()[model_field(kind)] for kind in GENERATING})
    gone = {task: shop.lose(task) for task in tasks}
    orders = (*FAMILIES, *TWICE, *(_without_model(kind, gone) for kind in GENERATING))
    return Done(shop, shop.all_done(orders), shop.all_cancelled(LONG))


def _without_model(kind: str, gone: dict[str, str]) -> Order:
    own = model_field(kind)
    model = gone[kinds.params_class(kind).model_tasks()[own]]
    return Order("no model", kind, LONG[kind] | {own: model}, ())


@pytest.mark.parametrize("order", [*FAMILIES, *TWICE], ids=str)
def test_a_real_worker_makes_what_is_ordered(done: Done, order: Order):
    # then the job succeeded at its first attempt, with the outputs of its kind, which can be read
    job = done.jobs[str(order)]
    assert (job.state, job.error_message, job.attempt) == (JobState.SUCCEEDED, None, 1)
    outputs = done.shop.outputs(job)
    assert tuple(each.media_type for each in outputs) == order.gives
    # and each is known by its content, and a work says of itself how it was made
    roots = [signing_key(done.shop.fleet.settings.signing, "Atelier").root]
    for each in outputs:
        path = done.shop.fetched(each)
        assert read(path, each.media_type) > 0
        assert each.content_sha256 == content_hash(path, each.media_type)
        if issubclass(kinds.params_class(order.kind), Creation) and each.media_type in credentials.MEDIA_TYPES:
            said = credentials.read(path, each.media_type, roots)
            assert said is not None
            assert (said["state"], said["work"]["job"], said["work"]["kind"]) == ("trusted", job.id, order.kind)


@pytest.mark.parametrize("medium", MEDIA)
def test_two_processes_make_the_same_of_the_same_seed(done: Done, medium: str):
    one, other = (done.jobs[str(order)] for order in TWICE if order.name.startswith(medium))
    assert one.worker_id != other.worker_id
    assert one.seed == other.seed
    contents = [[each.content_sha256 for each in done.shop.outputs(job)] for job in (one, other)]
    assert contents[0] == contents[1] != [None]


@pytest.mark.parametrize("kind", GENERATING)
def test_a_job_in_mid_generation_ends_within_a_step_of_its_cancel(done: Done, kind: str):
    stopped = done.stopped[kind]
    assert stopped.job.state is JobState.CANCELLED
    # (it was in the middle: some steps were done, and more were left)
    assert stopped.done > 0
    assert stopped.job.progress.total is None or stopped.job.progress.done < stopped.job.progress.total
    assert stopped.took_s < 2 + stopped.step_s
    assert done.shop.outputs(stopped.job) == []


@pytest.mark.parametrize("kind", GENERATING)
def test_a_model_that_is_gone_is_told_in_one_sentence(done: Done, kind: str):
    job = done.jobs[f"{kind}, no model"]
    model = job.params[model_field(kind)]
    assert (job.state, job.error_code, job.attempt) == (JobState.FAILED, "model_missing", 1)
    assert job.error_message is not None
    assert job.error_message.startswith(f"The files of model '{model}' are gone: ")
    assert job.error_message.endswith(" is not there.")


@pytest.mark.parametrize("kind", GENERATING)
def test_a_model_that_was_never_there_is_told_at_once(shop: Workshop, kind: str):
    with pytest.raises(Invalid, match=r"^There is no model 'nobody' in the library\. (For|The library)") as caught:
        shop.submit(Order("nobody", kind, LONG[kind] | {model_field(kind): "nobody"}, ()))
    assert caught.value.field == model_field(kind)


def test_no_kind_is_left_out():
    assert sorted(LONG) == sorted({order.kind for order in FAMILIES}) == GENERATING
    assert sorted(lesson.kind for lesson in LESSONS) == TRAINING


def test_nothing_is_left_of_a_job(done: Done):
    tmp: Path = done.shop.fleet.home.path / "tmp"
    assert [path.name for path in tmp.iterdir()] == []


def test_a_file_becomes_a_dataset_that_a_worker_can_read(shop: Workshop, tmp_path: Path):
    # given an upload with a bad row, checked twice by real workers
    here = shop.fleet
    path = tmp_path / "reviews.jsonl"
    told = [{"text": f"row {number}", "label": "ab"[number % 2]} for number in range(30)]
    path.write_text("".join(json.dumps(row) + "\n" for row in [*told, {"text": ""}]))
    sent = uploads.keep(here.db, shop.storage, here.owner.id, Arrived(path, name=path.name), Caps()).artifact
    params = {"name": "reviews", "source": sent.id, "validation": 0.2, "seed": 1, "model": "tiny-llama"}
    order = Order("check", "check_dataset", params, ())
    ended = [shop.all_done((order,))[str(order)] for _ in range(2)]
    assert [(job.state, job.error_message) for job in ended] == [(JobState.SUCCEEDED, None)] * 2

    # then there is one version of it, with a report, and its rows can be read by name
    found = datasets.get(here.db, here.owner.id, "reviews")
    assert [(each.number, each.job_id, each.splits["train"]) for each in found.versions] == [(1, ended[0].id, 24)]
    assert found.latest.report["problems"]["by_rule"][0]["rule"] == "empty_field"
    source = datasets.resolve(here.db, shop.storage, here.owner.id, "reviews@1", tmp_path / "cache")
    assert len(source.rows("train")) == 24
    assert [each.name for each in shop.outputs(ended[0])] == ["report.json", "problems.csv"]

    # and of a file without a good row what was found is kept with the failed job
    path.write_text('{"text": "", "label": "a"}\n')
    sent = uploads.keep(here.db, shop.storage, here.owner.id, Arrived(path, name=path.name), Caps()).artifact
    order = Order("bad", "check_dataset", {"name": "bad", "source": sent.id, "model": "tiny-llama"}, ())
    job = shop.all_done((order,))[str(order)]
    assert (job.state, job.error_code) == (JobState.FAILED, "dataset_invalid")
    assert [each.name for each in shop.outputs(job)] == ["report.json", "problems.csv"]


@pytest.fixture(scope="module")
def taught(shop: Workshop, done: Done, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Job]:
    """Datasets of all formats made of uploads, then a model trained by every kind, then each used by its name."""
    assert done, "the long jobs are over"
    jobs = shop.all_done(send(shop, tmp_path_factory.mktemp("datasets")))
    assert {name: (job.state, job.error_message) for name, job in jobs.items() if job.error_message} == {}
    jobs |= shop.all_done(tuple(lesson.order() for lesson in LESSONS))
    learned = [lesson for lesson in LESSONS if jobs[str(lesson.order())].state is JobState.SUCCEEDED]
    return jobs | shop.all_done(tuple(lesson.order_use() for lesson in learned))


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.kind)
def test_what_a_real_worker_trains_is_named_by_the_next_job(taught: dict[str, Job], shop: Workshop, lesson: Lesson):
    # given a training of three steps on a dataset made of an upload
    trained, here = taught[str(lesson.order())], shop.fleet
    assert (trained.state, trained.error_message, trained.attempt) == (JobState.SUCCEEDED, None, 1)
    assert trained.params["dataset"] == f"{lesson.format}@1"
    # then its curves are kept, its checkpoints gone, and its model is a version with its lineage
    curve = curves.read(here.db, [trained.id])[trained.id]["loss"]
    assert [step for step, _ in curve] == [1, 2, 3]
    roles = [each.role for each in artifacts.of_jobs(here.db, here.owner.id, [trained.id])[trained.id]]
    assert "checkpoint" not in roles
    assert roles.count("model") == 1
    (version,) = versions.of_model(here.db, here.owner.id, lesson.name)
    assert version.lineage["dataset"] == f"{lesson.format}@1"
    # and the next job names it
    used = taught[str(lesson.order_use())]
    assert (used.state, used.error_message) == (JobState.SUCCEEDED, None)
    assert shop.outputs(used)


def test_the_best_of_a_search_is_named_by_the_next_job(taught: dict[str, Job], shop: Workshop):
    # given a search of real trainings that has one device for itself and its trials
    assert taught, "the datasets are there"
    params = {"name": "searched", "dataset": "text", "steps": 3, "evaluations": 1, "width": 16, "layers": 1}
    asked = {"training": "train_rnn_lm", "params": params, "space": ["learning_rate: 1e-4 to 1e-1, log"], "trials": 3}
    (job,) = shop.all_done((Order("a search", "search_hyperparameters", asked, (), slot="cpu:0"),)).values()
    assert (job.state, job.error_message) == (JobState.SUCCEEDED, None)
    # then every trial ran there, the best is in the library, and the next job names it
    tried = trials.of_search(shop.fleet.db, job.id, "validation_loss")
    assert [(each.end, each.job.device) for each in tried] == [("done", job.device)] * 3
    best = min(tried, key=lambda each: each.figure or 0.0)
    (version,) = versions.of_model(shop.fleet.db, shop.fleet.owner.id, "searched")
    assert version.job_id == best.job.id
    used = Order("with searched", "generate_text", {"prompt": "a", "max_new_tokens": 4, "model": "searched"}, ())
    assert shop.all_done((used,))[str(used)].state is JobState.SUCCEEDED
