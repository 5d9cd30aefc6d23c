"""Which values to try next, and which trials to give up: Optuna over what is known of the trials, kept nowhere else.

The same trials with the same ends and the same seed ask for the same values, so a search can be taken up again by
anybody at any time. Knows no job and no queue.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState, create_trial

from shared.search_lines import Choices, Range, Value
from shared.search_space import Space, every

optuna.logging.set_verbosity(optuna.logging.WARNING)

DRAWN_FIRST = 5
"""So many trials are drawn evenly before the sampler models what is good."""

BEFORE_PRUNING = 3
"""A trial is given up only where so many have gone all the way."""

FROM_EVALUATION = 1
"""Not by the evaluation before the first step, in which all trials are the same."""

TELLS_FROM = 4
"""Trials that are needed to say which setting mattered."""

_REDRAWS = 20
_MOST_COUNTED = 10_000


@dataclass(frozen=True)
class Known:
    """What is known of one trial: what it tried, how it ended, and the figure at each evaluation."""

    values: Mapping[str, Value]
    end: Literal["done", "pruned", "failed", "open"]
    figure: float | None = None
    judged: Sequence[float] = field(default_factory=list)


def ask(
    space: Space,
    known: Sequence[Known],
    count: int,
    *,
    seed: int,
    less_is_better: bool,
    start: Mapping[str, Value] | None = None,
) -> list[dict[str, Value]]:
    """The values of up to `count` further trials, none of which was tried before; `start` goes first of all.

    Fewer, maybe none, where the space has no more.
    """
    tried = list(known)
    found: list[dict[str, Value]] = []
    while len(found) < count:
        values = _next(space, tried, seed, less_is_better, start)
        if values is None:
            break
        found.append(values)
        tried.append(Known(values, "open"))
    return found


def outdone(mine: Sequence[float], others: Sequence[Sequence[float]], *, less_is_better: bool) -> bool:
    """Whether a trial does worse than the median of the others did by its last evaluation.

    Trials are compared by the number of the evaluation: of other batch sizes the steps mean other things.
    """
    if not mine:
        return False
    study = _study(less_is_better)
    study.add_trials([_frozen({}, {}, "done", each[-1], each) for each in others if each])
    pruner = optuna.pruners.MedianPruner(n_startup_trials=BEFORE_PRUNING, n_warmup_steps=FROM_EVALUATION)
    return bool(pruner.prune(study, _frozen({}, {}, "open", None, mine)))


def importances(space: Space, known: Sequence[Known], *, less_is_better: bool) -> dict[str, float]:
    """How much each setting mattered, as shares of one, the most first; nothing where too little is known."""
    done = [each for each in known if each.end == "done"]
    if len(done) < TELLS_FROM or len({each.figure for each in done}) < 2:
        return {}
    study = _told(space, known, less_is_better)
    shares = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator(), normalize=True)
    return {name: round(float(share), 4) for name, share in shares.items()}


def _next(
    space: Space, known: Sequence[Known], seed: int, less_is_better: bool, start: Mapping[str, Value] | None
) -> dict[str, Value] | None:
    if start is not None and not known:
        return dict(start)
    before = [dict(each.values) for each in known]
    study = _told(space, known, less_is_better)
    for again in range(_REDRAWS):
        # Of the number of the trial, not of a state that would have to be kept.
        dice = (seed * 1_000_003 + len(known) * _REDRAWS + again) % 2**32
        study.sampler = optuna.samplers.TPESampler(seed=dice, n_startup_trials=DRAWN_FIRST, constant_liar=True)
        drawn = study.ask(_distributions(space))
        values = {name: _rounded(drawn.params[name], tried) for name, tried in space.items()}
        if values not in before:
            return values
        study.tell(drawn, state=TrialState.FAIL)
    left = [each for each in every(space, _MOST_COUNTED) or [] if each not in before]
    return left[0] if left else None


def _told(space: Space, known: Sequence[Known], less_is_better: bool) -> optuna.Study:
    """A study in memory to which everything was told again."""
    study = _study(less_is_better)
    distributions = _distributions(space)
    study.add_trials(
        [
            _frozen(each.values, distributions, each.end, each.figure, each.judged)
            for each in known
            if _fits(space, each)
        ]
    )
    return study


def _study(less_is_better: bool) -> optuna.Study:
    return optuna.create_study(direction="minimize" if less_is_better else "maximize")


def _fits(space: Space, known: Known) -> bool:
    return all(name in known.values and space[name].holds(known.values[name]) for name in space)


_STATES = {
    "done": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "failed": TrialState.FAIL,
    "open": TrialState.RUNNING,
}


def _frozen(
    values: Mapping[str, Value],
    distributions: Mapping[str, BaseDistribution],
    end: Literal["done", "pruned", "failed", "open"],
    figure: float | None,
    judged: Sequence[float],
) -> FrozenTrial:
    state = _STATES[end]
    value = judged[-1] if end == "pruned" and judged else figure
    return create_trial(
        state=TrialState.FAIL if end == "pruned" and value is None else state,
        value=value if end in {"done", "pruned"} else None,
        params={name: values[name] for name in distributions},
        distributions=dict(distributions),
        intermediate_values=dict(enumerate(judged)),
    )


def _distributions(space: Space) -> dict[str, BaseDistribution]:
    return {name: _distribution(tried) for name, tried in space.items()}


def _distribution(tried: Range | Choices) -> BaseDistribution:
    if not isinstance(tried, Range):
        return CategoricalDistribution(tried.values)
    if tried.whole:
        return IntDistribution(int(tried.low), int(tried.high), log=tried.log, step=int(tried.step or 1))
    return FloatDistribution(tried.low, tried.high, log=tried.log, step=tried.step)


def _rounded(value: Value, tried: Range | Choices) -> Value:
    """A number as it can be read; six digits are more than matter."""
    short = float(f"{value:.6g}") if isinstance(value, float) else value
    return short if tried.holds(short) else value
