"""Jobs that train, in tests: a dataset in, and the model that came of it as one of the library's."""

import json
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from shared.library import ModelSource
from tests.engines.library import source
from tests.kinds.context import FakeContext


def report(ctx: FakeContext) -> dict[str, Any]:
    """What the job says of its training."""
    return json.loads(next(saved.data for saved in ctx.outputs if saved.name == "report.json"))


def trained(ctx: FakeContext, folder: Path) -> tuple[dict[str, Any], Mapping[str, ModelSource]]:
    """What was said of the model that the job made, and a library that has it."""
    model = next(saved for saved in ctx.saved if saved.role == "model")
    with ZipFile(BytesIO(model.data)) as packed:
        packed.extractall(folder)
    name = model.meta["name"]
    return model.meta, {name: source(name, folder, task=model.meta["task"])}
