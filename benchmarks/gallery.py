"""`make gallery`: one example of everything, made by a real worker, written to docs/gallery with the settings of each.

Every example goes through submit, claim, the runner and the object store, as a job of anybody would; what one makes the
next may take as its input. Look at the result: it is there to be looked at.
"""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from benchmarks.examples import EXAMPLES, Example
from benchmarks.installation import ROOT, Installation, installation
from shared import artifacts, jobs, listing
from shared.job import Artifact, Job, JobState
from worker.devices import find_devices
from worker.runner import Runner

TARGET = ROOT / "docs" / "gallery"

SHOWN = 1200
"""Characters of a text that the page shows; the file beside it has the rest."""

_LEAST_WIDTH = 128
"""Pixels: a digit of 16 is shown larger than it is."""

_TEXTS = {"application/json", "application/x-subrip", "application/x-ndjson"}


def main() -> None:
    """Make everything, and write the page."""
    shutil.rmtree(TARGET, ignore_errors=True)
    TARGET.mkdir(parents=True)
    with installation() as place:
        runner = Runner(place.settings, find_devices(("cpu",))[0])
        runner.begin()
        made: dict[str, list[Artifact]] = {}
        parts = [_HEAD]
        for example in EXAMPLES:
            job, made[example.name] = _run(place, runner, example, made)
            parts.append(_section(runner, example, job, made[example.name]))
            print(f"{example.name}: {len(made[example.name])} file(s)", flush=True)
    (TARGET / "README.md").write_text("\n".join(parts), "utf-8")


_HEAD = """# One example of everything

Made by `make gallery` on a CPU with the starter models that an installation brings along: small models, honest results.
The settings below each example make it again, byte for byte but for the signature.
"""


def _run(
    place: Installation, runner: Runner, example: Example, made: dict[str, list[Artifact]]
) -> tuple[Job, list[Artifact]]:
    refs = {name: made[other][index].id for name, (other, index) in example.inputs.items()}
    job = jobs.submit(place.db, place.owner, example.kind, example.params | refs).job
    runner.work_off()
    ended = listing.get(place.db, place.owner.id, job.id)
    if ended.state is not JobState.SUCCEEDED:
        raise SystemExit(f"{example.name}: {ended.error_message}")
    files = artifacts.of_jobs(place.db, place.owner.id, [job.id])[job.id]
    return ended, [each for each in files if each.role == "output"]


def _section(runner: Runner, example: Example, job: Job, files: Sequence[Artifact]) -> str:
    lines = [f"## `{example.kind}`: {example.says}", ""]
    for file in files:
        path = TARGET / f"{example.name}-{file.name}"
        runner.storage.fetch(file.key, path, file.sha256)
        lines += [*_shown(runner, file, path), ""]
    asked = {name: value for name, value in example.params.items() if name not in example.inputs}
    asked |= {name: f"file {index + 1} of “{other}”" for name, (other, index) in example.inputs.items()}
    seconds = (job.finished_at - job.started_at).total_seconds() if job.finished_at and job.started_at else 0
    settings = json.dumps(asked, ensure_ascii=False)
    return "\n".join([*lines, f"`{settings}`, {seconds:.1f} s", ""])


def _shown(runner: Runner, file: Artifact, path: Path) -> list[str]:
    """The Markdown that shows a file."""
    kind = file.media_type.partition(";")[0]
    if kind.startswith("image/"):
        if file.width and file.width < _LEAST_WIDTH:
            return [f'<img src="{path.name}" alt="{path.stem}" width="{_LEAST_WIDTH}">']
        return [f"![{path.stem}]({path.name})"]
    if kind.startswith("video/") and file.thumb_key:
        poster = path.with_suffix(".webp")
        poster.write_bytes(b"".join(runner.storage.stream(file.thumb_key)))
        return [f"[![{path.stem}]({poster.name})]({path.name})"]
    if kind.startswith("text/") or kind in _TEXTS:
        text = path.read_text("utf-8-sig")
        return ["```text", text[:SHOWN].rstrip() + (" …" if len(text) > SHOWN else ""), "```"]
    return [f"[{path.name}]({path.name})"]


if __name__ == "__main__":
    main()
