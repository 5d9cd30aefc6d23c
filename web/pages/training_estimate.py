"""What a training has to expect before it is submitted: its steps, and about how long they take.

Steps follow from the rows of the dataset that is chosen. Their time is that of the reader's last training like this
one; without such, of what the check of the dataset reckoned, which did so for one language model.
"""

import math
from collections.abc import Mapping
from typing import Any

from shared import datasets, kinds, library, listing
from shared.dataset import DatasetVersion
from shared.errors import NotFound
from shared.job import JobState
from web import written
from web.auth import identity
from web.pages.translation import _, plural
from web.pages.wording import duration
from web.site import site
from web.written import Typed

_LOOKED_AT = 20
#: Settings that decide how long one step takes.
_WEIGHTY = ("base", "model", "method", "rank", "size", "width", "layers", "batch_size", "max_length", "architecture")
_WHOLE = {"full", "top_layers"}


def expected(kind: str, typed: Typed) -> list[str]:
    """Whole sentences; none where no dataset is chosen or a number is none."""
    chosen = _Chosen(kind, typed)
    version = _version(kind, chosen)
    if version is None:
        return []
    try:
        steps, epoch = _steps(chosen, version)
    except ValueError:
        return []
    told = [plural("%(num)s step.", "%(num)s steps.", steps)]
    budget = chosen.number("time_budget_s")
    seconds = _measured(kind, chosen, steps) or _reckoned(chosen, version, steps / epoch)
    if budget and (seconds is None or seconds > budget):
        return [*told, _("It stops after %(time)s.", time=duration(budget))]
    return [*told, _("Usually about %(time)s.", time=duration(seconds))] if seconds else told


class _Chosen:
    """The settings as they would be submitted now: what is typed, else the default."""

    def __init__(self, kind: str, typed: Typed) -> None:
        self._properties: Mapping[str, Any] = kinds.schema(kind)["properties"]
        self._typed = typed

    def text(self, name: str) -> str:
        """As text; empty where there is no such setting."""
        default = self._properties.get(name, {}).get("default")
        found = self._typed.get(name, "" if default is None else written.number(default))
        return found.strip() if isinstance(found, str) else ""

    def number(self, name: str) -> float | None:
        """As a number above 0. Raises ValueError where it is none."""
        text = self.text(name)
        if not text:
            return None
        found = float(text)
        if not 0 < found < math.inf:
            raise ValueError(text)
        return found


def _version(kind: str, chosen: _Chosen) -> DatasetVersion | None:
    """The dataset that the form shows as chosen: without a word about it, the first that fits."""
    here, owner_id = site(), identity().owner.id
    for field, formats in kinds.params_class(kind).dataset_formats().items():
        ref = chosen.text(field)
        try:
            if ref:
                return datasets.version(here.db, owner_id, ref)[1]
        except NotFound:
            return None
        return next((each.latest for each in datasets.list_datasets(here.db, owner_id, formats)), None)
    return None


def _steps(chosen: _Chosen, version: DatasetVersion) -> tuple[int, int]:
    """The steps of the run, and those of an epoch."""
    count = version.splits.get("train", 0)
    longest = chosen.number("max_length")
    if version.format == "text" and chosen.text("join_texts") == "true" and longest:
        count = math.ceil(((version.report.get("tokens") or {}).get("total") or count) / longest)
    epoch = max(1, math.ceil(count / (chosen.number("batch_size") or 1)))
    asked = chosen.number("steps")
    return int(asked or max(1, math.ceil((chosen.number("epochs") or 1) * epoch))), epoch


def _measured(kind: str, chosen: _Chosen, steps: int) -> float | None:
    """By what the steps of the newest training of this kind took that was as large."""
    found = listing.page(
        site().db, identity().owner.id, kind=kind, states=[JobState.SUCCEEDED], limit=_LOOKED_AT
    ).items  # fmt: skip
    for job in found:
        did, took = job.metrics.get("training_steps"), job.metrics.get("training_seconds")
        same = all(written.number(job.params.get(name, "")) == chosen.text(name) for name in _WEIGHTY)
        if same and did and took:
            return took / did * steps
    return None


def _reckoned(chosen: _Chosen, version: DatasetVersion, epochs: float) -> float | None:
    """By the check's own reckoning, where it was for the base that is chosen."""
    about = version.report.get("estimates", {})
    counted = (version.report.get("tokens") or {}).get("counted_by")
    try:
        base = library.get(site().db, identity().owner.id, chosen.text("base"))
    except NotFound:
        return None
    way = about.get("full" if chosen.text("method") in _WHOLE else "lora")
    return way["seconds_per_epoch"] * epochs if way and base.title in str(counted) else None
