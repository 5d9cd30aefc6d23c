"""Kinds that train on a device group: the same curves as on one device, whatever a learner has beside its descent."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from shared import kinds
from tests.kinds.context import FakeContext
from tests.kinds.samples import pictures, rows
from worker.devices import Device
from worker.kinds import run_function
from worker.mates import Mates, _Door

Context = Callable[..., FakeContext]

GROUP = Device("cpu:0+cpu:1", "CPU × 2", 1 << 30)
_SMALL = {"size": 8, "width": 8, "batch_size": 9}
#: What learners have beside one descent: figures of their own, two descents, running means, an average.
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "train_preference": ("preference", {"base": "tiny-llama", "rank": 4, "batch_size": 5, "dropout": 0.0}),
    "train_vae": ("classed", {**_SMALL, "latent": 4}),
    "train_gan": ("classed", {**_SMALL, "latent": 4, "objective": "wgan_gp"}),
    "train_diffusion": ("classed", {**_SMALL, "scored": 0}),
}


@pytest.mark.parametrize("kind", CASES)
def test_a_group_learns_what_one_device_does(context: Context, monkeypatch: pytest.MonkeyPatch, kind: str):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    alone, both = context(), context()
    format_, asked = CASES[kind]
    for ctx in (alone, both):
        files = pictures() if "file" in rows(format_, 1)[0] else {}
        name = ctx.give_dataset(format_, rows(format_, 30), rows(format_, 6), files=files)
    params = {"name": "ours", "dataset": name, "steps": 4, "evaluations": 2, "seed": 1, **asked}
    checked = kinds.validate(kind, params)
    if asked.get("base"):
        alone.model(asked["base"])  # made at first use, with dice

    run_function(kind)(checked, alone)
    attempt = cast("Any", both)
    attempt.job = SimpleNamespace(id="job", kind=kind, params=params, seed=both.seed)
    mates = Mates(attempt, GROUP)
    try:
        run_function(kind)(checked, cast("Any", _Door(attempt, mates)))
    finally:
        mates.end()

    assert both.points.keys() == alone.points.keys()
    if kind == "train_gan":
        # The critic's first step is the same. The generator's batch norms see a share of the batch each.
        for figure in ("critic_loss", "gradient_penalty", "critic_gradient_norm"):
            assert both.points[figure][1] == pytest.approx(alone.points[figure][1], rel=1e-4), figure
        return
    for name, points in alone.points.items():
        assert both.points[name] == pytest.approx(points, rel=2e-3, abs=1e-5), name
