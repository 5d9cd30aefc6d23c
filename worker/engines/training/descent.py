"""One step of gradient descent over a batch that may come in several pieces: the same step, whatever the pieces."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch

from worker.engines.training.company import ALONE, Agreed, Company
from worker.engines.training.rates import Schedule, rate
from worker.engines.training.state import State


class NotFinite(Agreed):
    """The loss or its gradients are no numbers; the weights were left as they were."""


@dataclass(frozen=True)
class Moment:
    """Where a run stands: the step (0 is the first), the fraction done, and how many examples fit at once.

    `company` are the processes that take the step together: each calls `learn` with all rows and draws what all draw,
    and `Descent` gives it its share of them.
    """

    step: int
    fraction: float
    at_once: int
    company: Company = ALONE


@dataclass(frozen=True)
class Descending:
    """How to descend. `decay` spares what has fewer than two dimensions: biases and norms (Loshchilov, Hutter 2019)."""

    learning_rate: float
    schedule: Schedule = "cosine"
    warm_up: float = 0.1
    decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    clip: float | None = 1.0
    floor: float = 0.0


class Descent:
    """AdamW over some parameters, with a schedule, gradient clipping and accumulation, by one process or several."""

    def __init__(self, parameters: Iterable[torch.nn.Parameter], how: Descending) -> None:
        self.how = how
        self.parameters = [each for each in parameters if each.requires_grad]
        decayed = [each for each in self.parameters if each.dim() >= 2]
        spared = [each for each in self.parameters if each.dim() < 2]
        groups = [{"params": decayed, "weight_decay": how.decay}, {"params": spared, "weight_decay": 0.0}]
        self._optimiser = torch.optim.AdamW(
            [group for group in groups if group["params"]], lr=how.learning_rate, betas=how.betas
        )

    def step(
        self,
        rows: Sequence[int],
        moment: Moment,
        loss: Callable[[Sequence[int]], torch.Tensor],
        weigh: Callable[[Sequence[int]], float] = len,
        after: Callable[[], None] | None = None,
    ) -> dict[str, float]:
        """Descend once.

        Args:
            rows: the examples of this step.
            moment: where the run stands; never more than `moment.at_once` examples go through the model together.
            loss: the SUM of the losses of some examples' parts (tokens, pixels), a scalar.
            weigh: how many parts some examples have. The sum over all pieces is divided by the weight of all rows, so
                that ragged rows give the same gradients however they are cut (huggingface/transformers#34191).
            after: called when the weights have changed and their gradients are still there.

        Returns:
            `loss` (the mean over the parts), `gradient_norm` before clipping, and `learning_rate`.

        Raises:
            NotFinite: nothing was changed.
        """
        # Where memory ran out in the middle, there is something left of that.
        self.forget()
        weight, own = max(weigh(rows), 1e-9), moment.company.share(rows)
        total: torch.Tensor | float = 0.0
        with moment.company.own_dice(moment.step, str(self.parameters[0].device)):
            for begin in range(0, len(own), moment.at_once):
                part = loss(own[begin : begin + moment.at_once]) / weight
                part.backward()
                total = total + part.detach()
        mean, norm = moment.company.add_up(self.parameters, float(total)), self._clipped()
        if not (math.isfinite(mean) and math.isfinite(norm)):
            self.forget()
            raise NotFinite
        now = self.how.learning_rate * rate(self.how.schedule, moment.fraction, self.how.warm_up, self.how.floor)
        for group in self._optimiser.param_groups:
            group["lr"] = now
        self._optimiser.step()
        if after is not None:
            after()
        self.forget()
        return {"loss": mean, "gradient_norm": norm, "learning_rate": now}

    def forget(self) -> None:
        """Drop the gradients, and their memory."""
        self._optimiser.zero_grad(set_to_none=True)

    def state(self) -> State:
        """What the optimiser remembers."""
        return self._optimiser.state_dict()

    def restore(self, state: State) -> None:
        """Remember that."""
        self._optimiser.load_state_dict(state)

    def _clipped(self) -> float:
        return torch.nn.utils.clip_grad_norm_(self.parameters, self.how.clip or math.inf).item()
