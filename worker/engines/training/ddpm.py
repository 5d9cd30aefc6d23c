"""Learning diffusion from nothing: a UNet of diffusers' own form, unconditional or told a class."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from diffusers import DDIMPipeline, DDIMScheduler, UNet2DModel
from torch import Tensor

from worker.engines.samplers import guided
from worker.engines.training.descent import Descending, Descent, Moment
from worker.engines.training.ema import Average
from worker.engines.training.noising import Noising, Prediction
from worker.engines.training.pictures import COLUMNS, Pictures, sheet, to_bytes, to_image
from worker.engines.training.plan import Heed
from worker.engines.training.state import State

Betas = Literal["cosine", "linear"]

_BETAS = {"cosine": "squaredcos_cap_v2", "linear": "linear"}
_GROUPS = 8
#: Feature maps at each size, as multiples of those at the largest: by how many sizes there are.
_LEVELS = {2: (1, 2), 3: (1, 2, 4), 4: (1, 2, 2, 4), 5: (1, 1, 2, 2, 4), 6: (1, 1, 2, 2, 4, 4)}
#: The smallest map where a picture of that size ends, and the largest that attention is worth its time on.
_CORE, _ATTENDED = {8: 4, 16: 4}, 8
_JUDGED, _TOGETHER, _SHOWN_SEED = 512, 128, 1
#: Steps of the samples that are shown and scored.
STEPS = 25


@dataclass(frozen=True, kw_only=True)
class Diffusing:
    """What to learn: the noise or the velocity, over which schedule, weighed how, and told of a class how often."""

    width: int = 32
    prediction: Prediction = "v_prediction"
    betas: Betas = "cosine"
    gamma: float | None = None
    #: The share of pictures whose class is kept back, so that guidance can be asked for; and how much to sample with.
    dropped: float = 0.1
    guidance: float = 1.5
    average: float = 0.999
    mirror: bool = False


def build_unet(size: int, channels: int, width: int, classes: int) -> Any:
    """An untrained UNet for pictures of that size; `classes` counts the one that stands for none."""
    core = _CORE.get(size, 8)
    levels = (size // core).bit_length()
    sides = [size >> level for level in range(levels)]
    kinds = ["Attn" if side <= _ATTENDED < size else "" for side in sides]
    return UNet2DModel(
        sample_size=size, in_channels=channels, out_channels=channels, layers_per_block=1 if size <= 32 else 2,
        block_out_channels=tuple(width * share for share in _LEVELS[levels]), norm_num_groups=_GROUPS,
        down_block_types=tuple(f"{kind}DownBlock2D" for kind in kinds),
        up_block_types=tuple(f"{kind}UpBlock2D" for kind in reversed(kinds)),
        attention_head_dim=8, add_attention=size > _ATTENDED, num_class_embeds=classes or None,
    )  # fmt: skip


def build_scheduler(what: Diffusing) -> Any:
    """The noise of training, and how it is taken away."""
    return DDIMScheduler(beta_schedule=_BETAS[what.betas], prediction_type=what.prediction, timestep_spacing="trailing")


class DiffusionLearner:
    """A UNet, its optimiser, and its average, which is the result."""

    def __init__(
        self,
        pictures: Pictures,
        held: Pictures,
        what: Diffusing,
        descending: Descending,
        *,
        device: str,
        seed: int,
    ) -> None:
        self.pictures, self.held, self.what, self.device = pictures.near(device), held, what, device
        self._classes = len(pictures.classes)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            told = self._classes + 1 if self._classes else 0
            self.unet = build_unet(pictures.size, pictures.channels, what.width, told).to(device)
        self.scheduler = build_scheduler(what)
        self._noising = Noising.of(self.scheduler, device, what.gamma)
        self.descent = Descent(self.unet.parameters(), descending)
        self.average = Average(self.unet, what.average)
        self.count = len(pictures)

    def learn(self, rows: Sequence[int], moment: Moment) -> Mapping[str, float]:
        """One step."""
        self.unet.train()
        # All that is drawn is drawn for the whole batch: it is the same however the batch is cut.
        clean = self.pictures.take(rows, "cpu", torch.rand(len(rows)) < 0.5 if self.what.mirror else None)
        noise, times = torch.randn(clean.shape), self._noising.times(len(rows))
        labels = self.pictures.labels_of(rows, "cpu")
        if labels is not None:
            labels = labels.where(torch.rand(len(rows)) >= self.what.dropped, self._classes)

        def loss(piece: Sequence[int]) -> Tensor:
            return self._errors(self.unet, clean[list(piece)], noise, times, labels, list(piece)).sum()

        figures = self.descent.step(range(len(rows)), moment, loss)
        self.average.follow(self.unet)
        return figures

    def evaluate(self, heed: Heed) -> Mapping[str, float]:
        """The error on held-out pictures, with noise and times that are always the same."""
        count = min(len(self.held), _JUDGED)
        if not count:
            return {}
        dice = torch.Generator().manual_seed(_SHOWN_SEED)
        noise = torch.randn(count, *self.held.pixels.shape[1:], generator=dice)
        times = torch.arange(count) * len(self._noising.signal) // count
        labels = self.held.labels_of(range(count), "cpu")
        plain = Noising(self._noising.signal, self._noising.prediction)
        error = 0.0
        with torch.inference_mode():
            for at in range(0, count, _TOGETHER):
                heed()
                rows = list(range(at, min(at + _TOGETHER, count)))
                clean = self.held.take(rows, self.device)
                error += self._errors(self.average.network, clean, noise, times, labels, rows, plain).sum().item()
        return {"validation_loss": error / count}

    def _errors(
        self,
        unet: Any,
        clean: Tensor,
        noise: Tensor,
        times: Tensor,
        labels: Tensor | None,
        rows: list[int],
        noising: Noising | None = None,
    ) -> Tensor:
        """The errors of some of the pictures of a batch."""
        noising, clean = noising or self._noising, clean.to(self.device)
        noise, times = noise[rows].to(self.device), times[rows].to(self.device)
        told = {} if labels is None else {"class_labels": labels[rows].to(self.device)}
        said = unet(noising.hide(clean, noise, times), times, **told).sample
        return noising.errors(said, clean, noise, times)

    def show(self, folder: Path, heed: Heed) -> Path:
        """A sheet of samples, always of the same noise; where there are classes, a column for each."""
        heed()
        columns = min(self._classes, 2 * COLUMNS) or COLUMNS
        lines = 4 if self.pictures.size <= 32 else 2
        made = self.paint(columns * lines, _SHOWN_SEED, heed, classes=columns)[0].float() / 127.5 - 1
        return sheet([to_image(each) for each in made], folder / "samples.png", columns)

    @torch.inference_mode()
    def paint(self, count: int, seed: int, heed: Heed, classes: int | None = None) -> tuple[Tensor, Tensor | None]:
        """Pictures as bytes by the average, in few steps, and their classes: one of each in turn."""
        noise = torch.randn(count, *self.pictures.pixels.shape[1:], generator=torch.Generator().manual_seed(seed))
        labels = torch.arange(count) % (classes or self._classes) if self._classes else None
        made = []
        for at in range(0, count, _TOGETHER):
            some = None if labels is None else labels[at : at + _TOGETHER].to(self.device)
            made.append(self._denoised(noise[at : at + _TOGETHER].to(self.device), some, heed))
        return torch.cat(made), labels

    def _denoised(self, pictures: Tensor, labels: Tensor | None, heed: Heed) -> Tensor:
        self.scheduler.set_timesteps(STEPS)
        for time in self.scheduler.timesteps:
            heed()
            said = guided(self.average.network, pictures, time, labels, none=self._classes, guidance=self.what.guidance)
            pictures = self.scheduler.step(said, time, pictures).prev_sample
        return to_bytes(pictures).cpu()

    def save(self, folder: Path) -> Path:
        """The average as a folder that diffusers' own pipelines load."""
        pipe: Any = DDIMPipeline(unet=self.average.network, scheduler=self.scheduler)
        pipe.save_pretrained(folder)
        return folder

    def name(self, row: int) -> str:
        """The picture's file."""
        return self.pictures.names[row]

    def state(self) -> State:
        """Network, optimiser and average."""
        state = {"unet": self.unet.state_dict(), "descent": self.descent.state()}
        return state | {"average": self.average.state()}

    def restore(self, state: State) -> None:
        """All again."""
        self.unet.load_state_dict(state["unet"])
        self.descent.restore(state["descent"])
        self.average.restore(state["average"])

    def weights(self) -> State:
        """The average."""
        return dict(self.average.network.state_dict())

    def take(self, weights: State) -> None:
        """Be that average."""
        self.average.network.load_state_dict(weights)
