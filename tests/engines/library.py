"""A library without rows: the starter models from their packages, and tiny random ones built when asked for."""

import importlib.util
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from shared.library import ModelSource
from shared.starters import STARTERS
from tests.engines.tiny import MODELS, build
from worker.engines.loading import read_json

#: Unpacked models outlive a test run: unpacking takes longer than all other tests of the kinds.
CACHE = Path(tempfile.gettempdir()) / "atelier-tests-models"


class Library(Mapping[str, ModelSource]):
    """Models by name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.starters = {starter.name: starter for starter in STARTERS}

    def __getitem__(self, name: str) -> ModelSource:
        if name in self.starters:
            return self._starter(name)
        folder = self.folder / name
        if not folder.exists():
            build(name, folder)
        return source(name, folder, task=MODELS[name][0])

    def __iter__(self) -> Iterator[str]:
        return iter([*self.starters, *MODELS])

    def __len__(self) -> int:
        return len(self.starters) + len(MODELS)

    def _starter(self, name: str) -> ModelSource:
        starter = self.starters[name]
        package, _, inner = starter.source.removeprefix("package:").partition("/")
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise KeyError(f"The package {package} is not installed.")
        return source(name, Path(spec.submodule_search_locations[0]) / inner, file=starter.file, task=starter.task)


def source(name: str, folder: Path, *, file: str | None = None, task: str = "text-generation") -> ModelSource:
    """A model source for files that are there."""
    about = read_json(folder / "atelier.json")
    return ModelSource(
        name=name, task=task, folder=folder, file=file, revision=None, title=name, licence=None, key=f"{name}@test",
        cache=CACHE / name, base=about.get("base"), defaults=about.get("defaults", {}),
    )  # fmt: skip
