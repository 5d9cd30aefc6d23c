"""Learning diffusion from nothing, told by captions: a new UNet between a library model's text encoder and autoencoder.

That is latent diffusion (Rombach et al., arXiv:2112.10752), whose two other parts are trained beforehand as well.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from worker.engines.training.descent import Moment
from worker.engines.training.diffusion_adapters import AdapterLearner
from worker.engines.training.ema import Average
from worker.engines.training.plan import Heed
from worker.engines.training.state import State


class CaptionLearner(AdapterLearner):
    """A UNet of the base's form whose weights are drawn anew, and its average, which is the result."""

    def __init__(self, *args: Any, average: float = 0.999, **settings: Any) -> None:
        self._decay = average
        super().__init__(*args, **settings)

    def _adapt(self, seed: int) -> None:
        old = self.base.unet
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            fresh: Any = type(old).from_config(old.config)
        self._be(fresh.to(self.base.device))
        self._module = fresh
        self.average = Average(fresh, self._decay)

    def learn(self, rows: Sequence[int], moment: Moment) -> Mapping[str, float]:
        """One step, and the average follows."""
        figures = super().learn(rows, moment)
        self.average.follow(self._module)
        return figures

    def evaluate(self, heed: Heed) -> Mapping[str, float]:
        """The average's error on held-out pictures, with noise and times that are always the same."""
        with self._averaged():
            return super().evaluate(heed)

    def paint(self, prompts: Sequence[str], seeds: Sequence[int], heed: Heed) -> list[Any]:
        """Pictures of each prompt by each seed, by the average."""
        with self._averaged():
            return super().paint(prompts, seeds, heed)

    def save(self, folder: Path) -> Path:
        """A whole pipeline, as diffusers lays it out, with the average in it."""
        with self._averaged():
            self.base.pipe.save_pretrained(folder)
        return folder

    def state(self) -> State:
        """Network, optimiser and average."""
        network: State = {"unet": self._module.state_dict(), "descent": self.descent.state()}
        return network | {"average": self.average.state()}

    def restore(self, state: State) -> None:
        """All again."""
        self._module.load_state_dict(state["unet"])
        self.descent.restore(state["descent"])
        self.average.restore(state["average"])

    def weights(self) -> State:
        """The average."""
        return dict(self.average.network.state_dict())

    def take(self, weights: State) -> None:
        """Be that average."""
        self.average.network.load_state_dict(weights)

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        self._be(self.average.network)
        try:
            yield
        finally:
            self._be(self._module)

    def _be(self, unet: Any) -> None:
        self.base.unet = self.base.pipe.unet = unet
