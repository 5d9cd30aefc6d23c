"""Versions of trained models: each is there for ever, the name stands for the better one, and back is one step."""

import hashlib
from pathlib import Path

import pytest

from shared import artifacts, attempts, claims, jobs, library, versions
from shared.artifacts import NewArtifact
from shared.claims import Claimant
from shared.db import Database
from shared.errors import Conflict, Invalid, JobError, NotFound
from shared.job import Progress
from shared.owners import Owner
from shared.storage import Storage
from worker.engines.training.result import pack

HERE = Claimant("wkr_a", "host/cpu:0", ("cpu", "accelerated"))


def trained(db: Database, owner: Owner, reached: float, *, name: str = "mood", **meta: object) -> NewArtifact:
    """A job of the owner's that ends with a model judged so, from 0.5."""
    content = hashlib.sha256(repr((reached, meta)).encode()).hexdigest()
    key = artifacts.blob_key(owner.id, content)
    artifacts.announce(db, {key: 9})
    about = {
        "name": name, "task": "text-classification", "base": "minilm", "dataset": "reviews@1", "dataset_sha256": "d1",
        "promote": "if_better", "judged_by": "accuracy", "less_is_better": False,
        "before": {"accuracy": 0.5}, "after": {"accuracy": reached},
        "cost": {"seconds": 9.5, "steps": 3}, "made_with": {"torch": "2"},
    }  # fmt: skip
    made = NewArtifact("model", f"{name}.zip", "application/zip", 9, content, key, about | meta)
    jobs.submit(db, owner, "probe", {"steps": 3})
    job = claims.claim(db, HERE, lease_s=30)
    assert job is not None
    attempts.finish(db, job, [made], progress=Progress(), metrics={})
    return made


def test_what_a_job_trained_is_in_the_library_at_once(db: Database, owner: Owner, stranger: Owner):
    made = trained(db, owner, 0.8)
    model = library.get(db, owner.id, "mood")

    assert (model.task, model.base, model.sha256, model.version) == ("text-classification", "minilm", made.sha256, 1)
    library.check(db, owner.id, "mood", "text-classification", "model")
    (only,) = versions.of_model(db, owner.id, "mood")
    assert only.judged == ("accuracy", 0.5, 0.8)
    assert only.lineage["dataset"] == "reviews@1"
    assert only.lineage["params"]["steps"] == 3
    assert (only.lineage["cost"], only.lineage["made_with"]) == ({"seconds": 9.5, "steps": 3}, {"torch": "2"})
    assert versions.of_model(db, stranger.id, "mood") == []
    with pytest.raises(NotFound):
        library.get(db, stranger.id, "mood")


@pytest.mark.parametrize(
    ("after", "meta", "promoted"),
    [
        (0.9, {}, 2),
        (0.8, {}, 1),
        (0.7, {}, 1),
        (0.1, {"promote": "always"}, 2),
        (0.9, {"promote": "never"}, 1),
        # On other data the figures do not compare: it counts whether the training made it better.
        (0.7, {"dataset_sha256": "d2"}, 2),
        (0.4, {"dataset_sha256": "d2"}, 1),
        (0.3, {"judged_by": "loss", "less_is_better": True, "before": {"loss": 1.0}, "after": {"loss": 0.3}}, 2),
        (0.9, {"after": {}}, 1),
    ],
)
def test_the_name_stands_for_the_new_version_only_if_it_is_better(
    db: Database, owner: Owner, after: float, meta: dict[str, object], promoted: int
):
    first = trained(db, owner, 0.8)
    second = trained(db, owner, after, **meta)
    model = library.get(db, owner.id, "mood")

    assert (model.version, model.sha256) == (promoted, [first, second][promoted - 1].sha256)
    assert [each.number for each in versions.of_model(db, owner.id, "mood")] == [2, 1]


RIVAL = {"dataset_sha256": "d2", "rival": {"number": 1, "figures": {"accuracy": 0.6, "regression_accuracy": 0.8}}}


@pytest.mark.parametrize(
    ("after", "meta", "promoted"),
    [
        # The version that stands was judged on the new data as well: that is what counts.
        ({"accuracy": 0.7}, RIVAL, 2),
        ({"accuracy": 0.55}, RIVAL, 1),
        # It was judged, but another one stands by now.
        ({"accuracy": 0.55}, RIVAL | {"rival": {"number": 7, "figures": {"accuracy": 0.6}}}, 2),
        # Better, but it has forgotten what it knew; a little is chance.
        ({"accuracy": 0.9, "regression_accuracy": 0.7}, RIVAL | {"watched": "regression_accuracy"}, 1),
        ({"accuracy": 0.9, "regression_accuracy": 0.79}, RIVAL | {"watched": "regression_accuracy"}, 2),
    ],
)
def test_it_is_measured_against_the_version_that_stands_and_may_not_forget(
    db: Database, owner: Owner, after: dict[str, float], meta: dict[str, object], promoted: int
):
    trained(db, owner, 0.8)
    trained(db, owner, 0.0, **{**meta, "after": after})

    assert library.get(db, owner.id, "mood").version == promoted


def test_what_was_forgotten_is_measured_by_the_beginning_where_nothing_else_is_known(db: Database, owner: Owner):
    watched = {"watched": "regression_loss", "judged_by": "loss", "less_is_better": True}
    trained(db, owner, 0.8)
    for lost, promoted in ((1.5, 1), (1.01, 3)):
        figures = {"before": {"loss": 2.0, "regression_loss": 1.0}, "after": {"loss": 1.0, "regression_loss": lost}}
        trained(db, owner, 0.0, **watched, **figures)
        assert library.get(db, owner.id, "mood").version == promoted


def test_back_is_one_step_and_a_version_can_be_named(db: Database, owner: Owner, stranger: Owner):
    first, second = trained(db, owner, 0.6), trained(db, owner, 0.9, base=None)
    versions.promote(db, owner.id, "mood", 1)

    now, pinned = library.get(db, owner.id, "mood"), library.get(db, owner.id, "mood@2")
    assert (now.sha256, now.base, now.version) == (first.sha256, "minilm", 1)
    assert (pinned.sha256, pinned.base, pinned.version) == (second.sha256, None, 2)
    library.check(db, owner.id, "mood@2", "text-classification", "model")
    with pytest.raises(Conflict, match="stands for version 1 already"):
        versions.promote(db, owner.id, "mood", 1)
    with pytest.raises(NotFound, match="no version 3"):
        versions.promote(db, owner.id, "mood", 3)
    with pytest.raises(NotFound):
        versions.promote(db, stranger.id, "mood", 2)
    with pytest.raises(Invalid, match="no model 'mood@3'"):
        library.check(db, owner.id, "mood@3", "text-classification", "model")


def test_a_name_that_means_another_model_is_not_taken(db: Database, owner: Owner, tmp_path: Path):
    library.add(db, owner.id, name="mine", task="text-classification", source=f"folder:{tmp_path}")
    library.add(db, None, name="ours", task="text-classification", source=f"folder:{tmp_path}")
    with pytest.raises(Invalid, match="not trained here"):
        versions.check_name(db, owner.id, "mine")
    with pytest.raises(Invalid, match="everybody"):
        versions.check_name(db, owner.id, "ours")
    versions.check_name(db, owner.id, "new")

    # Taken while the job ran: the work of an hour is not lost for that.
    trained(db, owner, 0.8, name="mine")
    (other,) = [each.name for each in library.list_models(db, owner.id) if each.name.startswith("mine-")]
    assert versions.of_model(db, owner.id, other)[0].number == 1


def test_a_version_comes_to_a_worker_as_files(db: Database, owner: Owner, tmp_path: Path):
    storage = Storage(f"file://{tmp_path}/store")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    pack(tmp_path / "model", tmp_path / "model.zip")
    made = trained(db, owner, 0.8)
    with pytest.raises(JobError):
        library.resolve(db, storage, owner.id, "mood@4", tmp_path / "cache")
    assert library.get(db, owner.id, "mood").source.startswith("artifact:art_")
    assert made.name == "mood.zip"
