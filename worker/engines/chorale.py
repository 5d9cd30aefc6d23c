"""A small network that composes for four voices, an eighth note at a time. Makes no sound, and reads no words.

It knows two keys, C major and A minor; every other is these moved. A step is told where in its bar it is and how far
the end of its phrase is, which is what makes phrases end on cadences. Soprano and bass are drawn first, then the voices
between them, each knowing those before it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

VOICES = 4
#: Tokens of a voice: it goes on, or it begins one of the pitches from LOWEST (MIDI) on.
HOLD, LOWEST, PITCHES = 0, 36, 49
TOKENS = 1 + PITCHES
#: Eighths; an end further away than this is far away.
HORIZON = 16
#: The order in which the voices of a step are drawn: soprano, bass, tenor, alto.
ORDER = (0, 3, 2, 1)
#: Above the last pitch: nothing sounds yet.
_SILENT = PITCHES
_PITCH_SIZE, _CONTEXT_SIZE, _SIZE, _HEAD_SIZE = 24, 32, 256, 96


@dataclass(frozen=True)
class Form:
    """The plan of a piece, a value for every eighth: [steps] each.

    `beats` is the place in the bar, `left` the eighths until the phrase's last chord (0: it sounds), `last` whether no
    phrase follows.
    """

    minor: bool
    bar: int
    beats: Tensor
    left: Tensor
    last: Tensor

    def context(self) -> Tensor:
        """As the network takes it: [steps, 5]."""
        whole = torch.ones_like(self.beats)
        return torch.stack(
            [
                self.beats,
                self.left.clamp(max=HORIZON),
                self.last.long(),
                whole * int(self.minor),
                whole * (self.bar // 2),
            ],
            dim=-1,
        )


class ChoraleNet(nn.Module):
    """A recurrent network over steps, and for every voice a small network over what it remembers."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.sounding = nn.Embedding(VOICES * (PITCHES + 1), _PITCH_SIZE)
        self.context = nn.ModuleList(nn.Embedding(size, _CONTEXT_SIZE) for size in (8, HORIZON + 1, 2, 2, 5))
        self.memory = nn.GRU(VOICES * (_PITCH_SIZE + 1) + _CONTEXT_SIZE, _SIZE, batch_first=True)
        self.drawn = nn.Embedding(VOICES * TOKENS, _SIZE)
        self.heads = nn.ModuleList(
            nn.Sequential(
                nn.Linear(_SIZE + VOICES * _PITCH_SIZE + _CONTEXT_SIZE, _HEAD_SIZE), nn.GELU(),
                nn.Dropout(dropout), nn.Linear(_HEAD_SIZE, TOKENS),
            )
            for _ in range(VOICES)
        )  # fmt: skip
        self.dropout = nn.Dropout(dropout)

    def remember(self, before: Tensor, begun: Tensor, context: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """What the heads see of each step, and the state to go on from.

        `before` and `begun` [batch, steps, voices] say what sounded in the step before (a pitch, or _SILENT), and
        whether it began there; `context` is [batch, steps, 5].
        """
        voices = torch.arange(VOICES, device=before.device) * (PITCHES + 1)
        sounding = self.sounding(before + voices).flatten(2)
        place = torch.stack([table(context[..., number]) for number, table in enumerate(self.context)]).sum(0)
        made, state = self.memory(torch.cat([sounding, begun.to(sounding.dtype), place], dim=-1), state)
        return torch.cat([self.dropout(made), sounding, place], dim=-1), state

    def logits(self, seen: Tensor, drawn: Tensor, voice: int) -> Tensor:
        """The scores of a voice's tokens; of `drawn` [..., voices] only those before it in ORDER are looked at."""
        for other in ORDER[: ORDER.index(voice)]:
            extra = self.drawn(drawn[..., other] + other * TOKENS)
            seen = torch.cat([seen[..., :_SIZE] + extra, seen[..., _SIZE:]], dim=-1)
        scores: Tensor = self.heads[voice](seen)
        return scores

    def forward(self, tokens: Tensor, context: Tensor) -> Tensor:
        """The scores of every token of whole pieces: [batch, steps, voices, TOKENS] for [batch, steps, voices]."""
        before, begun = sounding_before(tokens)
        seen, _ = self.remember(before, begun, context, None)
        return torch.stack([self.logits(seen, tokens, voice) for voice in range(VOICES)], dim=2)


def sounding_before(tokens: Tensor) -> tuple[Tensor, Tensor]:
    """For every step of [batch, steps, voices]: what sounded in the step before it, and whether it began there."""
    batch, steps, voices = tokens.shape
    before = torch.full((batch, steps + 1, voices), _SILENT, device=tokens.device)
    for step in range(steps):
        before[:, step + 1] = torch.where(tokens[:, step] == HOLD, before[:, step], tokens[:, step] - 1)
    begun = torch.cat([torch.zeros_like(tokens[:, :1]), (tokens[:, :-1] != HOLD).long()], dim=1)
    return before[:, :-1], begun


def plan(steps: int, *, minor: bool, phrase: int = 16) -> Form:
    """The form of a piece of so many eighths in four-four time: phrases of two bars that begin on an upbeat."""
    beats = (torch.arange(steps) - 2) % 8
    left, last = torch.zeros(steps, dtype=torch.long), torch.zeros(steps, dtype=torch.bool)
    phrases = max(1, round(steps / phrase))
    for number in range(phrases):
        start, is_last = number * phrase, number == phrases - 1
        end = steps if is_last else start + phrase
        chord = end - (min(4, end - start) if is_last else 2)
        left[start:end] = (chord - torch.arange(start, end)).clamp(min=0)
        last[start:end] = is_last
    return Form(minor, 8, beats, left, last)


def compose(
    net: ChoraleNet, form: Form, *, seed: int, temperature: float, on_step: Callable[[int, int], object]
) -> Tensor:
    """The tokens of a piece: [steps, voices]. `on_step(done, total)` is called after every eighth.

    The last chord is made to be the tonic's: left to itself, the network ends three pieces in five on another.
    """
    generator = torch.Generator("cpu").manual_seed(seed)
    steps = len(form.beats)
    tokens = torch.zeros(steps, VOICES, dtype=torch.long)
    before, begun = torch.full((1, 1, VOICES), _SILENT), torch.zeros(1, 1, VOICES, dtype=torch.long)
    context, state = form.context()[None], None
    final = int((form.last & (form.left == 0)).nonzero()[0])
    for step in range(steps):
        seen, state = net.remember(before, begun, context[:, step : step + 1], state)
        drawn = tokens[step].view(1, 1, VOICES)
        for voice in ORDER:
            scores = net.logits(seen, drawn, voice)[0, 0] / temperature
            if step == 0:
                scores[HOLD] = -torch.inf
            if step == final:
                scores[_outside(form.minor, bass=voice == VOICES - 1)] = -torch.inf
            tokens[step, voice] = _draw(scores, generator)
        begun = (drawn != HOLD).long()
        before = torch.where(drawn == HOLD, before, drawn - 1)
        on_step(step + 1, steps)
    return tokens


def _outside(minor: bool, *, bass: bool) -> Tensor:
    """The tokens that are no part of the tonic's chord, [TOKENS]: holding on is none; a bass is the tonic itself."""
    tonic = 9 if minor else 0
    chord = [tonic] if bass else [tonic, (tonic + (3 if minor else 4)) % 12, (tonic + 7) % 12]
    pitches = (torch.arange(PITCHES) + LOWEST) % 12
    return torch.cat([torch.tensor([True]), ~torch.isin(pitches, torch.tensor(chord))])


def load_chorale(folder: Path) -> ChoraleNet:
    """The network of a folder, ready to compose; its weights are kept in half precision."""
    net = ChoraleNet()
    net.load_state_dict({name: value.float() for name, value in load_file(folder / "model.safetensors").items()})
    return net.eval().requires_grad_(False)


def _draw(scores: Tensor, generator: torch.Generator, top_p: float = 0.95) -> int:
    """One token, among the likeliest that together reach `top_p`: an unlikely one can spoil all that follow."""
    chances, tokens = scores.softmax(-1).sort(descending=True)
    kept = chances * (chances.cumsum(-1) - chances < top_p)
    return int(tokens[torch.multinomial(kept, 1, generator=generator)])
