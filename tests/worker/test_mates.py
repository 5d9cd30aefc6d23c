"""What the processes of a device group tell each other outside the steps: all that a kind is given or refused."""

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from shared.dataset import DatasetSource
from shared.errors import JobError
from shared.library import ModelSource
from worker.devices import Device
from worker.mate import Leader
from worker.mates import Mates, _Door, helped

GROUP = Device("cpu:0+cpu:1", "CPU × 2", 1 << 30)
MODEL = ModelSource(
    name="tiny", task="text-generation", folder=Path("/models/tiny"), file=None, revision="1", title="Tiny",
    licence=None, key="k", cache=Path("/cache/k"), defaults={"steps": 4}, version=2,
)  # fmt: skip
DATA = DatasetSource("rows", 3, "text", "0" * 64, Path("/cache/rows"))


class Answering:
    """An attempt that knows one model, one dataset, and no checkpoint."""

    seed = 7

    def model(self, name: str) -> ModelSource:
        if name != "tiny":
            raise JobError("model_missing", f"There is no model “{name}”.")
        return MODEL

    def dataset(self, ref: str) -> DatasetSource:
        return DATA

    def restore(self, name: str) -> Path | None:
        return None


def test_who_follows_is_given_and_refused_what_the_leader_was():
    # given a leader whose kind asks for this and that
    mates = Mates.__new__(Mates)
    lines: list[str] = [json.dumps({"kind": "any"})]
    cast("Any", mates).tell = lambda order: lines.append(json.dumps(order))
    door = _Door(cast("Any", Answering()), mates)
    assert (cast("Any", door).seed, cast("Any", door).model("tiny"), cast("Any", door).dataset("rows")) == (
        7,
        MODEL,
        DATA,
    )
    with pytest.raises(JobError):
        cast("Any", door).model("ours")
    assert cast("Any", door).restore("class.safetensors") is None

    # when another process asks for the same, in any order
    leader = Leader(io.StringIO("\n".join(lines) + "\n"), io.StringIO())
    # then it hears the same
    assert leader.ask("restore", "class.safetensors") is None
    assert (leader.ask("dataset", "rows"), leader.ask("model", "tiny")) == (DATA, MODEL)
    with pytest.raises(JobError, match="There is no model “ours”") as refused:
        leader.ask("model", "ours")
    assert refused.value.code == "model_missing"
    # and where the job ends before it trains, so does the process
    with pytest.raises(SystemExit):
        leader.ask("model", "another")


@pytest.mark.parametrize("kind", ["generate_text", "search_hyperparameters"])
def test_what_does_not_learn_itself_runs_on_the_first_device_alone(kind: str):
    attempt = cast("Any", SimpleNamespace(job=SimpleNamespace(kind=kind)))
    with helped(attempt, GROUP) as ctx:
        assert ctx is attempt
