"""The loop that every training kind runs: learn, judge, show, save, and go on exactly there after any end.

A run that was killed at any step and goes on from its checkpoint ends with the same weights, bit for bit on a CPU, as
one that was not: a checkpoint holds the learner, its optimisers, the dice, and the place in the data; evaluating and
showing leave the dice as they were.
"""

import math
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import torch

from shared.errors import Pruned
from worker.engines.training.descent import Moment, NotFinite
from worker.engines.training.events import Curves
from worker.engines.training.order import Order
from worker.engines.training.plan import Ending, Learner, Outcome, Plan, Standing, Surroundings, broken
from worker.engines.training.state import State, dice_kept, random_state, read_state, set_random_state, write_state
from worker.engines.training.together import together

RESUME, BEST = "resume.safetensors", "best.safetensors"

_CHECKPOINT_SHARE = 0.04
"""A checkpoint may take this share of the time: where writing one is slow they are further apart."""

_JUDGED_APART = 4.0
"""Under a budget evaluations are at least this many times their own length apart: the time is for learning."""


def train(learner: Learner, plan: Plan, ctx: Surroundings) -> Outcome:
    """Train to the end of the plan, to the wish to keep what there is, or to where it breaks.

    Afterwards the learner is the best model of the run where the plan keeps the best, and else the last one.

    Raises:
        Pruned: at that wish; the run has no model.
    """
    with together(learner, ctx) as learner:
        return _Run(learner, plan, ctx).run()


class _MakeRoom(Exception):
    """Save a checkpoint and end this attempt."""


class _Run:
    def __init__(self, learner: Learner, plan: Plan, ctx: Surroundings) -> None:
        self.learner, self.plan, self.ctx = learner, plan, ctx
        self.order = Order(learner.count, plan.batch, plan.seed)
        self.now = Standing(at_once=plan.at_once)
        self._latest: tuple[int, Mapping[str, float]] | None = None
        self._best_news = self._keep = False
        self._curves = Curves()
        self._since = self._saved_at = time.monotonic()
        self._save_s = self._judge_s = self._judged_at = 0.0

    def run(self) -> Outcome:
        try:
            if self._begin():
                self.now.ending = self.now.ending or self._between_steps()
            while self.now.ending is None and self.now.step < self.plan.steps:
                self.now.ending = self._next()
            return self._end()
        except _MakeRoom:
            if self.now.before:
                self._save()
            self.ctx.step_aside()
            raise

    def _next(self) -> Ending | None:
        """A step, and what is due after it; the reason to end, if there is one."""
        try:
            figures = self._learn()
        except NotFinite:
            self.now.broken = broken(self.learner, self._rows, self.now.step + 1)
            self._back_to_good()
            return "broken"
        self._tell(figures)
        return self._between_steps()

    # ---- the three parts of a run ----

    def _begin(self) -> bool:
        """Judge the model as it is, or go on where an earlier attempt stopped; whether it is that."""
        torch.manual_seed(self.plan.seed)
        found = self.ctx.restore(RESUME)
        if found is not None:
            self._take(read_state(found))
            best = self.ctx.restore(BEST)
            if best is not None and best != self._best_path:
                best.replace(self._best_path)
            return True
        self.ctx.progress(0, self.plan.steps, "Judging the model as it is")
        self.now.before = dict(self._figures())
        self._record(self.now.before)
        return False

    def _between_steps(self) -> Ending | None:
        """What is due between two steps; the reason to end, if there is one."""
        plan = self.plan
        if self.now.step >= plan.steps:
            return None
        if (passed := self._due("judge", plan.evaluate_every)) is not None:
            early = self._judge()
            # Only now: what was broken off is due again when the run goes on.
            self.now.passed["judge"] = passed
            if early:
                return "early"
        if (passed := self._due("show", plan.show_every)) is not None:
            self._show()
            self.now.passed["show"] = passed
        wish = self.ctx.wish()
        if wish == "prune":
            raise Pruned
        if wish == "keep" or self._keep:
            return "kept"
        if plan.budget_s is not None and self._elapsed() >= plan.budget_s:
            return "budget"
        if wish is not None:
            raise _MakeRoom
        if self._checkpoint_due():
            self._save()
        return None

    def _end(self) -> Outcome:
        self.ctx.progress(self.now.step, self.plan.steps, "Judging the model that came of it")
        if self.now.broken is None:
            self._judge()
        kept = self.plan.keep_best and self.now.best_step is not None and self._best_path.exists()
        if kept and self.now.best_step != self.now.step:
            self.learner.take(read_state(self._best_path))
            self._latest = None
        after = self._figures()
        self._show()
        return Outcome(
            before=self.now.before, after=after, ending=self.now.ending or "finished", steps=self.now.step,
            epochs=round(self.order.epoch + self.order.taken / max(self.order.count, 1), 3),
            seconds=round(self._elapsed(), 3), best_step=self.now.best_step if kept else None,
            at_once=self.now.at_once, halved=self.now.halved, broken=self.now.broken, curves=self._curves,
        )  # fmt: skip

    # ---- a step ----

    def _learn(self) -> Mapping[str, float]:
        self._rows = self.order.take()
        while True:
            dice = random_state(self.ctx.device)
            moment = Moment(self.now.step, self._fraction(), self.now.at_once)
            try:
                figures = self.learner.learn(self._rows, moment)
            except (MemoryError, torch.OutOfMemoryError):
                if self.now.at_once == 1:
                    raise
                self._halve(dice)
                continue
            self.now.step += 1
            return figures

    def _halve(self, dice: State) -> None:
        """Half as many examples at once: the same batch, in twice as many pieces."""
        at_once, halved = max(1, self.now.at_once // 2), self.now.halved + 1
        found = self.ctx.restore(RESUME)
        # An optimiser may have stopped halfway through the weights: only a checkpoint is sure to be whole.
        if found is not None:
            self._take(read_state(found))
            self._rows = self.order.take()
        else:
            set_random_state(dice, self.ctx.device)
        if self.ctx.device.startswith("cuda"):
            torch.cuda.empty_cache()
        self.now.at_once, self.now.halved = at_once, halved

    def _tell(self, figures: Mapping[str, float]) -> None:
        self._record(figures)
        epoch = self.order.epoch + self.order.taken / self.order.count
        self.ctx.progress(self.now.step, self.plan.steps, f"Loss {figures['loss']:.4g}, epoch {epoch:.2f}")

    def _heed(self) -> None:
        """Between the pieces of an evaluation: stop, or make room, if that is asked for."""
        self.ctx.check_cancelled()
        wish = self.ctx.wish()
        self._keep = self._keep or wish == "keep"
        # A run that has come to its end is judged by it.
        if wish == "prune" and self.now.ending is None and self.now.step < self.plan.steps:
            raise Pruned
        if wish in {"pause", "yield"}:
            raise _MakeRoom

    def _record(self, figures: Mapping[str, float]) -> None:
        for name, value in figures.items():
            self._curves.add(name, self.now.step, value)
            self.ctx.metric(name, value, self.now.step)

    def _judge(self) -> bool:
        """Evaluate; whether it is time to end, since nothing got better for too long."""
        if self._latest is not None and self._latest[0] == self.now.step:
            return False
        figures = self._figures()
        self._record(figures)
        judged = figures.get(self.plan.judged_by)
        if judged is None or not math.isfinite(judged):
            return False
        better = self.now.best is None or (
            judged < self.now.best if self.plan.less_is_better else judged > self.now.best
        )
        if better:
            self.now.best, self.now.best_step, self.now.worse = judged, self.now.step, 0
            if self.plan.keep_best:
                write_state(self._best_path, self.learner.weights())
                self._best_news = True
            return False
        self.now.worse += 1
        return self.plan.patience is not None and self.now.worse >= self.plan.patience

    def _figures(self) -> Mapping[str, float]:
        """What the evaluation says of the model as it is now."""
        if self._latest is None or self._latest[0] != self.now.step:
            with dice_kept(self.ctx.device):
                began = time.monotonic()
                self._latest = self.now.step, dict(self.learner.evaluate(self._heed))
                self._judged_at = time.monotonic()
                self._judge_s = self._judged_at - began
        return self._latest[1]

    def _show(self) -> None:
        with dice_kept(self.ctx.device):
            shown = self.learner.show(self.ctx.workdir, self._heed)
        if shown is not None:
            self.ctx.save_artifact(shown, role="preview", step=self.now.step)

    # ---- checkpoints ----

    def _checkpoint_due(self) -> bool:
        if self.plan.checkpoint_steps is not None:
            return self.now.step % self.plan.checkpoint_steps == 0
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
        self.now.spent_s, self._since = self._elapsed(), time.monotonic()
        return {
            "learner": self.learner.state(), "order": self.order.state(), "dice": random_state(self.ctx.device),
            "standing": asdict(self.now), "curves": self._curves.state(),
        }  # fmt: skip

    def _take(self, state: State) -> None:
        self.learner.restore(state["learner"])
        self.order.restore(state["order"])
        self.now = Standing(**state["standing"])
        self._curves.restore(state["curves"])
        self._since = time.monotonic()
        set_random_state(state["dice"], self.ctx.device)

    def _back_to_good(self) -> None:
        """The best weights, or those of the last checkpoint; a step that broke has changed nothing since."""
        if self.now.best_step is not None and self._best_path.exists():
            return  # the end takes them
        found = self.ctx.restore(RESUME)
        if found is not None:
            self._take(read_state(found))

    # ---- small things ----

    @property
    def _best_path(self) -> Path:
        return self.ctx.workdir / BEST

    def _elapsed(self) -> float:
        return self.now.spent_s + time.monotonic() - self._since

    def _fraction(self) -> float:
        """How much of the run is done at the middle of this step: by steps, or by time where that runs out first."""
        by_steps = (self.now.step + 0.5) / self.plan.steps
        by_time = self._elapsed() / self.plan.budget_s if self.plan.budget_s else 0.0
        return min(1.0, max(by_steps, by_time))

    def _due(self, what: str, every: int | None) -> int | None:
        """The number of the occasion if another so many steps are done; under a budget, the time of as many steps."""
        if every is None or (self.plan.budget_s and time.monotonic() - self._judged_at < self._judge_s * _JUDGED_APART):
            return None
        passed = self.now.step // every
        if self.plan.budget_s is not None:
            passed = max(passed, int(self._elapsed() / self.plan.budget_s * self.plan.steps / every))
        return passed if passed > self.now.passed.get(what, 0) else None
