"""The loop that every training kind runs: learn, judge, show, save, and go on exactly there after any end.

A run that was killed at any step and goes on from its checkpoint ends with the same weights, bit for bit on a CPU, as
one that was not: a checkpoint holds the learner, its optimisers, the dice, and the place in the data; evaluating and
showing leave the dice as they were.
"""

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch

from worker.engines.training.descent import Moment, NotFinite
from worker.engines.training.events import Curves
from worker.engines.training.order import Order
from worker.engines.training.plan import Ending, Learner, Outcome, Plan, Surroundings
from worker.engines.training.state import State, random_state, read_state, set_random_state, write_state

RESUME, BEST = "resume.safetensors", "best.safetensors"

_CHECKPOINT_SHARE = 0.04
"""A checkpoint may take this share of the time: where writing one is slow they are further apart."""

_NAMED = 8
"""Examples of a broken batch that are named."""


def train(learner: Learner, plan: Plan, ctx: Surroundings) -> Outcome:
    """Train to the end of the plan, to the wish to keep what there is, or to where it breaks.

    Afterwards the learner is the best model of the run where the plan keeps the best, and else the last one.
    """
    return _Run(learner, plan, ctx).run()


class _Run:
    def __init__(self, learner: Learner, plan: Plan, ctx: Surroundings) -> None:
        self.learner, self.plan, self.ctx = learner, plan, ctx
        self.order = Order(learner.count, plan.batch, plan.seed)
        self.step, self.spent_s = 0, 0.0
        self.at_once, self.halved = plan.at_once, 0
        self.before: Mapping[str, float] = {}
        self.best: float | None = None
        self.best_step: int | None = None
        self.worse = 0
        self.passed: dict[str, int] = {}
        self._latest: tuple[int, Mapping[str, float]] | None = None
        self._best_news = False
        self._curves = Curves()
        self._since = self._saved_at = time.monotonic()
        self._save_s = 0.0

    def run(self) -> Outcome:
        self._begin()
        broken: str | None = None
        ending: Ending = "finished"
        while self.step < self.plan.steps:
            try:
                figures = self._learn()
            except NotFinite:
                ending, broken = "broken", self._sentence()
                self._back_to_good()
                break
            self._tell(figures)
            if (end := self._between_steps()) is not None:
                ending = end
                break
        return self._end(ending, broken)

    # ---- the three parts of a run ----

    def _begin(self) -> None:
        torch.manual_seed(self.plan.seed)
        found = self.ctx.restore(RESUME)
        if found is not None:
            self._take(read_state(found))
            best = self.ctx.restore(BEST)
            if best is not None and best != self._best_path:
                best.replace(self._best_path)
            return
        self.ctx.progress(0, self.plan.steps, "Judging the model as it is")
        with self._dice_kept():
            self.before = dict(self.learner.evaluate())
        self._record(self.before)

    def _between_steps(self) -> Ending | None:
        """What is due between two steps; the reason to end, if there is one."""
        plan = self.plan
        if self.step >= plan.steps:
            return None
        if self._due("judge", plan.evaluate_every) and self._judge():
            return "early"
        if self._due("show", plan.show_every):
            self._show()
        wish = self.ctx.wish()
        if wish == "keep":
            return "kept"
        if plan.budget_s is not None and self._elapsed() >= plan.budget_s:
            return "budget"
        if wish is not None:
            self._save()
            self.ctx.step_aside()
        if self._checkpoint_due():
            self._save()
        return None

    def _end(self, ending: Ending, broken: str | None) -> Outcome:
        self.ctx.progress(self.step, self.plan.steps, "Judging the model that came of it")
        if broken is None:
            self._judge()
        kept = self.plan.keep_best and self.best_step is not None and self._best_path.exists()
        if kept and self.best_step != self.step:
            self.learner.take(read_state(self._best_path))
            self._latest = None
        after = self._figures()
        self._show()
        return Outcome(
            before=self.before, after=after, ending=ending, steps=self.step,
            epochs=round(self.order.epoch + self.order.taken / max(self.order.count, 1), 3),
            seconds=round(self._elapsed(), 3), best_step=self.best_step if kept else None,
            at_once=self.at_once, halved=self.halved, broken=broken, curves=self._curves,
        )  # fmt: skip

    # ---- a step ----

    def _learn(self) -> Mapping[str, float]:
        self._rows = self.order.take()
        while True:
            dice = random_state(self.ctx.device)
            moment = Moment(self.step, self._fraction(), self.at_once)
            try:
                figures = self.learner.learn(self._rows, moment)
            except (MemoryError, torch.OutOfMemoryError):
                if self.at_once == 1:
                    raise
                self._halve(dice)
                continue
            self.step += 1
            return figures

    def _halve(self, dice: State) -> None:
        """Half as many examples at once: the same batch, in twice as many pieces."""
        at_once, halved = max(1, self.at_once // 2), self.halved + 1
        found = self.ctx.restore(RESUME)
        # An optimiser may have stopped halfway through the weights: only a checkpoint is sure to be whole.
        if found is not None:
            self._take(read_state(found))
            self._rows = self.order.take()
        else:
            set_random_state(dice, self.ctx.device)
        if self.ctx.device.startswith("cuda"):
            torch.cuda.empty_cache()
        self.at_once, self.halved = at_once, halved

    def _tell(self, figures: Mapping[str, float]) -> None:
        self._record(figures)
        epoch = self.order.epoch + self.order.taken / self.order.count
        self.ctx.progress(self.step, self.plan.steps, f"Loss {figures['loss']:.4g}, epoch {epoch:.2f}")

    def _record(self, figures: Mapping[str, float]) -> None:
        for name, value in figures.items():
            self._curves.add(name, self.step, value)
            self.ctx.metric(name, value, self.step)

    def _judge(self) -> bool:
        """Evaluate; whether it is time to end, since nothing got better for too long."""
        if self._latest is not None and self._latest[0] == self.step:
            return False
        figures = self._figures()
        self._record(figures)
        judged = figures.get(self.plan.judged_by)
        if judged is None or not math.isfinite(judged):
            return False
        better = self.best is None or (judged < self.best if self.plan.less_is_better else judged > self.best)
        if better:
            self.best, self.best_step, self.worse = judged, self.step, 0
            if self.plan.keep_best:
                write_state(self._best_path, self.learner.weights())
                self._best_news = True
            return False
        self.worse += 1
        return self.plan.patience is not None and self.worse >= self.plan.patience

    def _figures(self) -> Mapping[str, float]:
        """What the evaluation says of the model as it is now."""
        if self._latest is None or self._latest[0] != self.step:
            with self._dice_kept():
                self._latest = self.step, dict(self.learner.evaluate())
        return self._latest[1]

    def _show(self) -> None:
        with self._dice_kept():
            shown = self.learner.show(self.ctx.workdir)
        if shown is not None:
            self.ctx.save_artifact(shown, role="preview", step=self.step)

    # ---- checkpoints ----

    def _checkpoint_due(self) -> bool:
        if self.plan.checkpoint_steps is not None:
            return self.step % self.plan.checkpoint_steps == 0
        apart = max(self.plan.checkpoint_s, self._save_s / _CHECKPOINT_SHARE)
        return time.monotonic() - self._saved_at >= apart

    def _save(self) -> None:
        began = time.monotonic()
        if self._best_news:
            # First, so that a checkpoint never speaks of a best that is not stored.
            self.ctx.checkpoint(self._best_path)
            self._best_news = False
        path = self.ctx.workdir / RESUME
        write_state(path, self._state())
        self.ctx.checkpoint(path)
        self._saved_at = time.monotonic()
        self._save_s = self._saved_at - began
        self.ctx.metric("checkpoint_seconds", self._save_s)

    def _state(self) -> State:
        return {
            "learner": self.learner.state(), "order": self.order.state(), "dice": random_state(self.ctx.device),
            "step": self.step, "spent_s": self._elapsed(), "at_once": self.at_once, "halved": self.halved,
            "before": dict(self.before), "best": self.best, "best_step": self.best_step, "worse": self.worse,
            "passed": dict(self.passed), "curves": self._curves.state(),
        }  # fmt: skip

    def _take(self, state: State) -> None:
        self.learner.restore(state["learner"])
        self.order.restore(state["order"])
        self.step, self.spent_s = state["step"], state["spent_s"]
        self.at_once, self.halved, self.before = state["at_once"], state["halved"], state["before"]
        self.best, self.best_step, self.worse = state["best"], state["best_step"], state["worse"]
        self.passed = dict(state["passed"])
        self._curves.restore(state["curves"])
        self._since = time.monotonic()
        set_random_state(state["dice"], self.ctx.device)

    def _back_to_good(self) -> None:
        """The best weights, or those of the last checkpoint; a step that broke has changed nothing since."""
        if self.best_step is not None and self._best_path.exists():
            return  # the end takes them
        found = self.ctx.restore(RESUME)
        if found is not None:
            self._take(read_state(found))

    # ---- small things ----

    @property
    def _best_path(self) -> Path:
        return self.ctx.workdir / BEST

    def _elapsed(self) -> float:
        return self.spent_s + time.monotonic() - self._since

    def _fraction(self) -> float:
        """How much of the run is done at the middle of this step: by steps, or by time where that runs out first."""
        by_steps = (self.step + 0.5) / self.plan.steps
        by_time = self._elapsed() / self.plan.budget_s if self.plan.budget_s else 0.0
        return min(1.0, max(by_steps, by_time))

    def _due(self, what: str, every: int | None) -> bool:
        """Whether another so many steps are done; under a budget, whether the time of as many of the plan's is."""
        if every is None:
            return False
        passed = self.step // every
        if self.plan.budget_s is not None:
            passed = max(passed, int(self._elapsed() / self.plan.budget_s * self.plan.steps / every))
        if passed <= self.passed.get(what, 0):
            return False
        self.passed[what] = passed
        return True

    def _sentence(self) -> str:
        names = [self.learner.name(row) for row in self._rows]
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        return (
            f"The loss was not a number at step {self.step + 1}, in the batch of {', '.join(names[:_NAMED])}{more}. "
            "The last good weights are kept. Look at these rows, or try a lower learning rate."
        )

    @contextmanager
    def _dice_kept(self) -> Iterator[None]:
        """What is drawn in here is not missed by the run."""
        dice = random_state(self.ctx.device)
        try:
            yield
        finally:
            set_random_state(dice, self.ctx.device)


def steps_of(count: int, batch: int, epochs: float) -> int:
    """The steps of so many epochs over so many examples."""
    return max(1, math.ceil(epochs * -(-count // batch)))


def evenly(steps: int, times: int) -> int:
    """Steps between events of which a run is to have so many."""
    return max(1, steps // times)
