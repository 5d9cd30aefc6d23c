"""Work of `search_hyperparameters`: look at the trials, ask for more, wait; at the end choose the best model.

Each attempt is one look, and takes a moment: all that a search knows is in its trials.
"""

import json
from collections.abc import Sequence

from shared import search_space
from shared.errors import Invalid, JobError
from shared.kinds.search_hyperparameters import SearchHyperparameters
from shared.search_lines import Value, written
from shared.search_space import Space
from shared.trials import Choice, NewTrial, Trial
from worker.context import JobContext
from worker.engines.searching import Known, ask, importances

_MOST_REFUSED = 50
"""Combinations that the kind does not take, which are passed over before nothing more is asked for."""


def run(params: SearchHyperparameters, ctx: JobContext) -> None:
    """Look, ask, wait; or conclude."""
    space = search_space.space_of(params)
    metric, less_is_better = search_space.judged(params)
    trials = ctx.search.trials(metric)
    known = [_known(space, trial) for trial in trials]
    best = _best(trials, less_is_better)
    waiting = sum(trial.end == "open" for trial in trials)

    if ctx.wish() != "keep" or best is None:
        wanted = min(params.trials - len(trials), params.at_once - waiting)
        new = _further(params, space, known, wanted, ctx.seed, less_is_better)
        if new or waiting:
            # A small space may have no more.
            _tell(ctx, space, trials, best, params.trials if len(new) >= wanted else len(trials) + len(new))
            ctx.search.wait(new, trials)

    _tell(ctx, space, trials, best, len(trials))
    _curves(ctx, metric, trials, less_is_better)
    if best is None:
        raise JobError("trials_failed", _why(trials, metric))
    matters = importances(space, known, less_is_better=less_is_better)
    _report(ctx, params, space, trials, best, matters)
    ctx.search.choose(Choice(best.job.id, params.promote, params.keep_trials))


def _further(
    params: SearchHyperparameters, space: Space, known: Sequence[Known], count: int, seed: int, less_is_better: bool
) -> list[NewTrial]:
    """Up to so many new trials, with values that the kind takes together."""
    start = search_space.start_of(params, space)
    tried, found = list(known), list[NewTrial]()
    refused = 0
    while len(found) < count and refused < _MOST_REFUSED:
        values = ask(space, tried, 1, seed=seed, less_is_better=less_is_better, start=start)
        if not values:
            break
        try:
            asked = search_space.trial_of(params, values[0], seed)
        except Invalid:
            refused += 1
            tried.append(Known(values[0], "failed"))
            continue
        tried.append(Known(values[0], "open"))
        found.append(NewTrial(len(known) + len(found) + 1, asked, params.training))
    return found


def _known(space: Space, trial: Trial) -> Known:
    return Known(search_space.values_of(space, trial.job.params), trial.end, trial.figure, trial.judged)


def _best(trials: Sequence[Trial], less_is_better: bool) -> Trial | None:
    done = [(trial.figure, trial) for trial in trials if trial.end == "done" and trial.figure is not None]
    if not done:
        return None
    # Of equals the first: its settings are the nearer to what they were.
    return (min if less_is_better else max)(done, key=lambda each: each[0])[1]


def _tell(ctx: JobContext, space: Space, trials: Sequence[Trial], best: Trial | None, total: int) -> None:
    ended = sum(trial.end != "open" for trial in trials)
    note = f"{ended} of {total} trials"
    if best is not None and best.figure is not None:
        values = ", ".join(f"{name} {written(value)}" for name, value in _values(space, best).items())
        note += f", best {best.figure:.4g} with {values}"
    ctx.progress(ended, total, note)


def _curves(ctx: JobContext, metric: str, trials: Sequence[Trial], less_is_better: bool) -> None:
    """The figure of each trial, and the best until then, by the number of the trial."""
    best: float | None = None
    for trial in trials:
        if trial.end != "done" or trial.figure is None:
            continue
        best = trial.figure if best is None else (min if less_is_better else max)(best, trial.figure)
        ctx.metric(metric, trial.figure, trial.number)
        ctx.metric(f"best_{metric}", best, trial.number)
    if best is not None:
        ctx.metric(metric, best)


def _report(
    ctx: JobContext, params: SearchHyperparameters, space: Space, trials: Sequence[Trial], best: Trial,
    matters: dict[str, float],
) -> None:  # fmt: skip
    """The table of the trials, as a file."""
    metric, less_is_better = search_space.judged(params)
    ctx.metric("best_trial", best.number)
    told = {
        "training": params.training,
        "metric": metric,
        "less_is_better": less_is_better,
        "space": {name: str(tried) for name, tried in space.items()},
        "best": {"number": best.number, "job_id": best.job.id, "figure": best.figure, "values": _values(space, best)},
        "importances": matters,
        "trials": [
            {
                "number": trial.number, "job_id": trial.job.id, "end": trial.end, "figure": trial.figure,
                "values": _values(space, trial), "evaluations": trial.judged, "error": trial.job.error_message,
            }
            for trial in trials
        ],
    }  # fmt: skip
    path = ctx.workdir / "search.json"
    path.write_text(json.dumps(told, indent=1, ensure_ascii=False))
    ctx.save_artifact(path, media_type="application/json")


def _values(space: Space, trial: Trial) -> dict[str, Value]:
    return search_space.values_of(space, trial.job.params)


def _why(trials: Sequence[Trial], metric: str) -> str:
    """Why nothing came of it: what the first trial that failed said."""
    told = [trial.job.error_message for trial in trials if trial.job.error_message]
    if told:
        return f"No trial succeeded. The first of them: {told[0]}"
    figures = sorted({name for trial in trials for name in trial.job.metrics})
    if figures and all(trial.job.state == "succeeded" for trial in trials):
        return f"No trial has a figure {metric}. They have: {', '.join(figures)}."
    return "No trial succeeded: each was cancelled."
