"""What a search's page shows of its trials, and a trial's page of its search; and what a search's form would try."""

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, render_template, request

from shared import kinds, search_space, trials
from shared.errors import Invalid, NotFound
from shared.job import Job
from shared.kinds.search_hyperparameters import SearchHyperparameters
from shared.search_lines import fields, written
from shared.trials import Trial
from web import forms
from web.auth import needs
from web.forms import from_form
from web.pages.rows import kind_words
from web.pages.sentences import said
from web.pages.training import MOST_RUNS
from web.pages.translation import _
from web.site import site
from web.written import Typed

pages = Blueprint("trials", __name__)

KIND = "search_hyperparameters"


@dataclass(frozen=True)
class Line:
    """One trial: what it tried, by the names of `Table`, what came of it, and whether it is the best so far."""

    trial: Trial
    tried: list[str]
    end: str
    best: bool


@dataclass(frozen=True)
class Table:
    """The trials of a search. `compared` are those whose curves are worth a look beside each other."""

    names: list[str]
    metric: str
    lines: list[Line]
    ended: int
    total: int
    compared: list[str]


@dataclass(frozen=True)
class Expected:
    """What a form would try: each setting in words, or what is wrong; and all that the kind has to try."""

    tried: list[tuple[str, str]]
    wrong: list[str]
    known: list[tuple[str, str]]
    kind_title: str


def seen(job: Job) -> dict[str, Any]:
    """What the page of a search or of a trial shows of it; nothing of any other job."""
    if kinds.searches(job.kind):
        return {"searches": True, "trials": _table(job), "search": None}
    return {"searches": False, "trials": None, "search": trials.search_of(site().db, job), "pruned": _pruned(job)}


@pages.post("/create/space")
@needs("jobs:read")
def space() -> str:
    """What the form of a search would try, as it is typed now."""
    return render_template("create/space.html", space=expected(from_form(KIND, request.form, complete=True)))


def expected(typed: Typed) -> Expected:
    """What would be tried of what is typed."""
    asked = forms.params(KIND, typed)
    training = str(asked.get("training", kinds.schema(KIND)["properties"]["training"]["default"]))
    if training not in search_space.searchable():
        return Expected([], [], [], training)
    known = [(name, _title(training, name)) for name in fields(training)]
    title = kind_words(training)[0]
    try:
        told = {"training": training, "params": _with_needed(training, asked.get("params", {}))}
        search = kinds.validate(KIND, told | {"space": asked.get("space", [])}, strict=False)
        if not isinstance(search, SearchHyperparameters):
            raise TypeError(KIND)
        found = search_space.space_of(search)
    except Invalid as error:
        return Expected([], [said(each["message"]) for each in error.errors], known, title)
    return Expected([(_title(training, name), str(tried)) for name, tried in found.items()], [], known, title)


def _with_needed(training: str, params: Any) -> Any:
    """The params with what is needed and not typed yet, which is told when the form is sent."""
    if not isinstance(params, dict):
        return params
    needed = kinds.schema(training).get("required", ())
    example = kinds.params_class(training).examples[0]
    return {name: example[name] for name in needed if name in example} | params


def _title(kind: str, name: str) -> str:
    return str(kinds.schema(kind)["properties"][name].get("title", name))


def _table(job: Job) -> Table | None:
    try:
        search = kinds.validate(job.kind, job.params)
        if not isinstance(search, SearchHyperparameters):
            return None
        space, (metric, less_is_better) = search_space.space_of(search), search_space.judged(search)
    except (Invalid, NotFound):
        # It names a kind that this installation knows no more.
        return None
    found = trials.of_search(site().db, job.id, metric)
    done = [each for each in found if each.end == "done"]
    better = sorted(done, key=lambda each: (each.figure or 0.0) if less_is_better else -(each.figure or 0.0))
    best = better[0].number if better else None
    lines = [
        Line(each, [written(value) for value in search_space.values_of(space, each.job.params).values()], _end(each),
             each.number == best)
        for each in found
    ]  # fmt: skip
    compared = [each.job.id for each in better[:MOST_RUNS]]
    ended = sum(each.end != "open" for each in found)
    total = job.progress.total if job.progress.total and job.attempt else search.trials
    return Table(list(space), metric, lines, ended, max(total, ended), compared if len(compared) > 1 else [])


def _end(trial: Trial) -> str:
    """What has become of it, beside its state."""
    if trial.end == "pruned":
        return _("given up early")
    return said(trial.job.error_message or "") if trial.end == "failed" else ""


def _pruned(job: Job) -> bool:
    return trials.PRUNED in job.metrics and job.done
