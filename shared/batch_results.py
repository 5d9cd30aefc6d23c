"""What a batch made: each number with its files, and all of them as one zip archive. In constant memory, but for the
archive's own table of contents.
"""

from collections.abc import Callable, Iterable, Iterator
from tempfile import TemporaryFile
from typing import Any

from pydantic_core import to_json

from shared import artifacts
from shared.batch import Batch, Result
from shared.batch_listing import every_item
from shared.db import Database
from shared.job import Artifact
from shared.storage import CHUNK, Storage
from shared.zips import ZipStream, safe_name

MANIFEST = "manifest.jsonl"

PACKED = {"output", "model"}
"""Roles of the files that an archive holds; logs and checkpoints are only named in its manifest."""

Describe = Callable[[Result], dict[str, Any]]


def results(db: Database, batch: Batch) -> Iterator[Result]:
    """Each number's latest job with its files, in order; previews are none."""
    for page in every_item(db, batch):
        files = artifacts.of_jobs(db, batch.owner_id, [job.id for job in page if job.attempt])
        for job in page:
            yield Result(job, [each for each in files.get(job.id, []) if each.role != "preview"])


def lines(found: Iterable[Result], describe: Describe) -> Iterator[bytes]:
    """The results as JSON lines."""
    for result in found:
        yield _line(describe(result))


def archive(
    storage: Storage,
    found: Iterable[Result],
    describe: Describe,
    called: Callable[[Result, Artifact], str] | None = None,
) -> Iterator[bytes]:
    """The results' files as a zip, made while it is sent; its last entry, the manifest, says what is what.

    `describe` gives a result's line of the manifest, with a list `artifacts`; each of these gets the `file` that it is
    in the archive, or null where it is not there. `called` names the entries, by default `file_name`.
    """
    packed = ZipStream()
    with TemporaryFile() as manifest:
        for result in found:
            told = describe(result)
            for artifact, about in zip(result.artifacts, told["artifacts"], strict=True):
                about["file"] = None
                if artifact.role in PACKED:
                    name = (called or file_name)(result, artifact)
                    about["file"] = name if (yield from packed.add_artifact(storage, artifact, name)) else None
            manifest.write(_line(told))
        manifest.seek(0)
        yield from packed.add(MANIFEST, iter(lambda: manifest.read(CHUNK), b""))
    yield from packed.end()


def file_name(result: Result, artifact: Artifact) -> str:
    """Its name in the archive: the job's number, which file of several it is, and its own name, made safe anywhere."""
    packed = [each.id for each in result.artifacts if each.role in PACKED]
    which = f"{packed.index(artifact.id) + 1}-" if len(packed) > 1 else ""
    return f"{result.job.batch_index or 0:05}-{which}{safe_name(artifact.name)}"


def _line(told: dict[str, Any]) -> bytes:
    return to_json(told, inf_nan_mode="null") + b"\n"
