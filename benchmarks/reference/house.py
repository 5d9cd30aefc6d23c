"""An installation as a user meets it: send a file, have it checked, train, and use the model by its name."""

import json
from pathlib import Path
from typing import Any

from benchmarks.installation import Installation
from benchmarks.overhead import ran, runner_of, source_of
from shared import artifacts, datasets, uploads
from shared.dataset import Split
from shared.intake.caps import Caps
from shared.job import Job
from shared.uploads import Arrived


class House:
    """The verbs of the rows."""

    def __init__(self, place: Installation) -> None:
        self.place = place
        self._checked: set[str] = set()

    @property
    def folder(self) -> Path:
        """Where files may lie."""
        folder = self.place.home.path / "reference"
        folder.mkdir(exist_ok=True)
        return folder

    def dataset(self, name: str, path: Path, **options: Any) -> str:
        """Send a file and have it checked, unless an earlier row did so; the name of the dataset."""
        if name in self._checked:
            return name
        arrived = Arrived(path, name=path.name)
        kept = uploads.keep(self.place.db, runner_of(self.place).storage, self.place.owner.id, arrived, Caps())
        ran(self.place, "check_dataset", {"name": name, "source": kept.artifact.id, **options})
        self._checked.add(name)
        return name

    def rows(self, name: str, split: Split) -> list[dict[str, Any]]:
        """The rows of a dataset."""
        place = self.place
        cache = place.home.path / "cache"
        return datasets.resolve(place.db, runner_of(place).storage, place.owner.id, name, cache).rows(split)

    def trained(self, kind: str, **params: Any) -> dict[str, Any]:
        """Train; the report, whose model is in the library under its name."""
        made = self.outputs(ran(self.place, kind, params))
        (report,) = (data for name, data in made if name == "report.json")
        return dict(json.loads(report))

    def model(self, name: str) -> Path:
        """The folder of a model."""
        return source_of(self.place, name).folder

    def made(self, kind: str, **params: Any) -> list[bytes]:
        """What a job makes."""
        return [data for _, data in self.outputs(ran(self.place, kind, params))]

    def outputs(self, job: Job) -> list[tuple[str, bytes]]:
        """Names and bytes of a job's outputs."""
        storage = runner_of(self.place).storage
        made = artifacts.of_jobs(self.place.db, self.place.owner.id, [job.id])[job.id]
        return [(each.name, b"".join(storage.stream(each.key))) for each in made if each.role == "output"]


def lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Rows as JSON lines."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path
