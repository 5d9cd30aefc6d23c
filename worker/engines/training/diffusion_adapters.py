"""Teaching a diffusion model something new by an adapter: LoRA on its UNet's attention, maybe with its class kept."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers.training_utils import cast_training_params
from diffusers.utils.state_dict_utils import convert_state_dict_to_diffusers
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from torch import Tensor

from worker.engines.diffusion import Painting, paint
from worker.engines.training.descent import Descending, Descent, Moment
from worker.engines.training.diffusion_bases import Base, Words
from worker.engines.training.noising import Noising
from worker.engines.training.pictures import COLUMNS, Pictures, sheet
from worker.engines.training.plan import Heed
from worker.engines.training.state import State
from worker.engines.training.weights import put_weights, trained_weights

ATTENTION = ["to_q", "to_k", "to_v", "to_out.0"]
_JUDGED, _TOGETHER, _SHOWN_SEED = 128, 8, 1
_STEPS = 30


@dataclass(frozen=True, kw_only=True)
class Adapting:
    """How to adapt: the rank, how the errors of times are weighed, and what is done to pictures and captions."""

    rank: int = 16
    alpha: int = 16
    gamma: float | None = 5.0
    noise_offset: float = 0.0
    dropped: float = 0.05
    mirror: bool = False
    #: How much the class counts that is to be kept.
    prior_weight: float = 1.0
    checkpointing: bool = False


class AdapterLearner:
    """A LoRA on a base, and the captioned pictures that it learns.

    `prior` are pictures that the base made of the class that is to stay as it is (DreamBooth; Ruiz et al.,
    arXiv:2208.12242): each step learns as many of them as of the pictures.
    """

    def __init__(
        self,
        base: Base,
        pictures: Pictures,
        held: Pictures,
        how: Adapting,
        descending: Descending,
        *,
        seed: int,
        prior: Pictures | None = None,
        prompts: Sequence[str] = (),
    ) -> None:
        self.base, self.pictures, self.held, self.how, self.prior = base, pictures, held, how, prior
        self.prompts = list(prompts) or list(dict.fromkeys(held.captions or pictures.captions))[:4]
        self._noising = base.noising(how.gamma)
        self._shape = base.latents(pictures.take([0], "cpu")).shape[1:]
        self._adapt(seed)
        self.descent = Descent(self._module.parameters(), descending)
        self.count = len(pictures)

    def _adapt(self, seed: int) -> None:
        """Put in what is trained."""
        unet = self.base.unet
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            config = LoraConfig(
                r=self.how.rank, lora_alpha=self.how.alpha, init_lora_weights="gaussian", target_modules=ATTENTION
            )
            unet.add_adapter(config)
        cast_training_params(unet, torch.float32)
        if self.how.checkpointing:
            unet.enable_gradient_checkpointing()
        self._module: torch.nn.Module = unet

    def learn(self, rows: Sequence[int], moment: Moment) -> Mapping[str, float]:
        """One step."""
        self.base.unet.train()
        # All that is drawn is drawn for the whole batch: it is the same however the batch is cut.
        mirrored = torch.rand(len(rows)) < 0.5 if self.how.mirror else None
        pictures = self.pictures.take(rows, "cpu", mirrored)
        bare = (torch.rand(len(rows)) < self.how.dropped).tolist()
        captions = ["" if drop else self.pictures.captions[row] for row, drop in zip(rows, bare, strict=True)]
        noise, times = self._drawn(len(rows))
        weights = [1.0] * len(rows)
        if self.prior is not None:
            chosen = torch.randint(len(self.prior), (len(rows),)).tolist()
            pictures = torch.cat([pictures, self.prior.take(chosen, "cpu")])
            captions += [self.prior.captions[at] for at in chosen]
            more = self._drawn(len(rows))
            noise, times = torch.cat([noise, more[0]]), torch.cat([times, more[1]])
            weights += [self.how.prior_weight] * len(rows)
        scale = torch.tensor(weights, device=self.base.device)

        def loss(piece: Sequence[int]) -> Tensor:
            at = list(piece)
            words = self._words([captions[one] for one in at])
            errors = self._errors(pictures[at], words, noise[at], times[at], self._noising)
            return (errors * scale[at]).sum()

        # The mean over the pictures, and the weighed mean over those of the class.
        every = range(len(pictures))
        return self.descent.step(every, moment, loss, weigh=lambda some: len(some) * len(rows) / len(every))

    def _drawn(self, count: int) -> tuple[Tensor, Tensor]:
        """Noise for so many latents, and times."""
        noise = torch.randn(count, *self._shape)
        if self.how.noise_offset:
            noise = noise + self.how.noise_offset * torch.randn(*noise.shape[:2], 1, 1)
        return noise, self._noising.times(count)

    def _words(self, captions: Sequence[str]) -> Words:
        return self.base.words(captions)

    def _errors(self, pictures: Tensor, words: Words, noise: Tensor, times: Tensor, noising: Noising) -> Tensor:
        """What each picture costs [N]."""
        device = self.base.device
        clean, noise, times = self.base.latents(pictures), noise.to(device), times.to(device)
        return noising.errors(self.base.said(noising.hide(clean, noise, times), times, words), clean, noise, times)

    def evaluate(self, heed: Heed) -> Mapping[str, float]:
        """The error on held-out pictures, with noise and times that are always the same."""
        count = min(len(self.held), _JUDGED)
        if not count:
            return {}
        self.base.unet.eval()
        plain = Noising(self._noising.signal, self._noising.prediction)
        times = (torch.arange(count) * 2 + 1) * len(plain.signal) // (2 * count)
        error = 0.0
        with torch.no_grad():
            for at in range(0, count, _TOGETHER):
                heed()
                rows = list(range(at, min(at + _TOGETHER, count)))
                pictures = self.held.take(rows, "cpu")
                dice = torch.Generator().manual_seed(_SHOWN_SEED + at)
                noise = torch.randn(len(rows), *self._shape, generator=dice)
                words = self._words([self.held.captions[row] for row in rows])
                error += self._errors(pictures, words, noise, times[rows], plain).sum().item()
        return {"validation_loss": error / count}

    def show(self, folder: Path, heed: Heed) -> Path:
        """The fixed prompts, each twice, always at the same seeds."""
        made = self.paint(self.prompts[:COLUMNS], [_SHOWN_SEED, _SHOWN_SEED + 1], heed)
        # A column for each prompt.
        lines = [made[at::2] for at in range(2)]
        return sheet([image for line in lines for image in line], folder / "samples.png", len(lines[0]))

    def paint(self, prompts: Sequence[str], seeds: Sequence[int], heed: Heed) -> list[Any]:
        """Pictures of each prompt by each seed, by the base as it is adapted now."""
        defaults, side = self.base.source.defaults, self.pictures.size
        self.base.unet.eval()
        made = []
        for prompt in prompts:
            painting = Painting(
                prompt=prompt, negative_prompt=None, width=side, height=side, guidance=defaults.get("guidance"),
                steps=int(defaults.get("steps", _STEPS)), scheduler="default",
            )  # fmt: skip
            for seed in seeds:
                made += paint(self.base.pipe, painting, [seed], lambda *_: heed())
        return made

    def save(self, folder: Path) -> Path:
        """The adapter, as diffusers lays it out."""
        folder.mkdir(parents=True, exist_ok=True)
        unet, about = self.base.unet, self.base.unet.peft_config["default"].to_dict()
        # A set has no order of its own, and the same training should give the same bytes.
        about["target_modules"] = sorted(about["target_modules"])
        self.base.pipe.save_lora_weights(
            folder,
            unet_lora_layers=convert_state_dict_to_diffusers(get_peft_model_state_dict(unet)),
            unet_lora_adapter_metadata=about,
        )
        _in_order(folder / "pytorch_lora_weights.safetensors")
        return folder

    def name(self, row: int) -> str:
        """The picture's file."""
        return self.pictures.names[row]

    def state(self) -> State:
        """The adapter and its optimiser."""
        return {"weights": self.weights(), "descent": self.descent.state()}

    def restore(self, state: State) -> None:
        """Both again."""
        self.take(state["weights"])
        self.descent.restore(state["descent"])

    def weights(self) -> State:
        """The adapter."""
        return trained_weights(self._module)

    def take(self, weights: State) -> None:
        """Be that adapter."""
        put_weights(self._module, weights)


def _in_order(path: Path) -> None:
    """The safetensors file with its header in order: the library writes what it says of itself in any."""
    data = path.read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8:end]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    path.write_bytes(len(header).to_bytes(8, "little") + header + data[end:])
