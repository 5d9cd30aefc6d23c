"""What the placeholders of a workflow's step stand for, found when the step begins."""

from dataclasses import replace
from typing import Any

from shared import artifacts, attempts, dependencies, kinds
from shared.datasets import Datasets
from shared.db import Database
from shared.drafts import title_of
from shared.errors import Invalid, JobError, Superseded
from shared.job import Artifact, Job
from shared.kinds.params import Media, Params
from shared.placeholders import Path, Placeholder, placeholders, replaced
from shared.storage import Storage
from shared.workflow_drafts import longest

#: Bytes that are read of a text: enough for the longest setting in any script.
_BYTES_A_CHARACTER = 4

_ROWS = {"application/x-ndjson", "application/jsonl", "application/json"}


def filled(db: Database, storage: Storage, job: Job) -> Job:
    """The job with what its placeholders stand for in its params, written down in its row, so that it can be seen.

    A dataset that an earlier step has made is named by its version from here on.

    Raises:
        JobError: another step did not make what this one takes.
        Superseded: another attempt owns the job by now.
    """
    declared = kinds.params_class(job.kind)
    named = [name for name in declared.dataset_formats() if "@" not in str(job.params.get(name, "@"))]
    if not placeholders(job.params) and not named:
        return job
    steps = {need.step: need.job_id for need in dependencies.needs(db, job.id)}
    files = artifacts.of_jobs(db, job.owner_id, list(steps.values()))

    def stands_for(path: Path, value: dict[str, Any]) -> str:
        wanted = Placeholder.model_validate(value)
        field = ".".join(str(part) for part in path)
        artifact = _made(files.get(steps.get(wanted.step, ""), []), wanted, field)
        return _value(storage, declared, artifact, wanted, field)

    params = replaced(job.params, stands_for)
    valid = kinds.validate(job.kind, params)
    if named:
        params |= _pinned(db, job, valid, named)
    title = title_of(valid)
    if not attempts.rewrite(db, job, params, title):
        raise Superseded
    return replace(job, params=params, title=title)


def _pinned(db: Database, job: Job, params: Params, fields: list[str]) -> dict[str, Any]:
    """The datasets that these fields name, as they are now."""
    try:
        pinned = Datasets(db, job.owner_id).pin(params)
    except Invalid as error:
        raise JobError(error.code, str(error), field=error.field) from error
    return {name: getattr(pinned, name) for name in fields}


def _made(files: list[Artifact], wanted: Placeholder, field: str) -> Artifact:
    made = [each for each in files if each.role == wanted.role]
    if wanted.index < len(made):
        return made[wanted.index]
    count, number = len(made), wanted.index
    told = f"The step “{wanted.step}” made {count} of “{wanted.role}”: counted from 0, there is no number {number}."
    raise JobError("step_artifact_missing", told, field=field)


def _value(storage: Storage, declared: type[Params], artifact: Artifact, wanted: Placeholder, field: str) -> str:
    media = declared.input_media().get(field.split(".")[0])
    if not _fits(artifact.media_type, media or ("text",)):
        told = f"The step “{wanted.step}” made {artifact.name} ({artifact.media_type}), which “{field}” cannot take."
        raise JobError("step_artifact_unfit", told, field=field)
    return artifact.id if media else _text(storage, artifact, longest(declared, field.split(".")[0]))


def _fits(media_type: str, wanted: tuple[Media, ...]) -> bool:
    kind = media_type.split(";")[0].strip()
    return kind.partition("/")[0] in wanted or ("table" in wanted and (kind in _ROWS or kind.startswith("text/")))


def _text(storage: Storage, artifact: Artifact, most: int) -> str:
    """The text of an artifact, of so many characters at most, ended behind a word."""
    size = min(artifact.size, (most + 1) * _BYTES_A_CHARACTER)
    text = b"".join(storage.stream(artifact.key, 0, size)).decode("utf-8", "replace").strip() if size else ""
    if len(text) <= most:
        return text
    cut = text[: most + 1]
    behind_word = max(cut.rfind(" "), cut.rfind("\n"))
    return (cut[:behind_word] if behind_word > most // 2 else cut[:most]).rstrip()
