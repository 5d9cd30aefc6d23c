"""Continuous batching: texts that a language model goes on with side by side; each joins and leaves between two tokens.

After Orca (Yu et al., OSDI 2022): whoever is done makes room at once, and whoever comes waits for one token, not for
the others' last. Each text comes out as it would alone. Knows no prompts, no jobs.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import DynamicCache, RepetitionPenaltyLogitsProcessor
from transformers.cache_utils import DynamicLayer

from worker.engines.language import LanguageModel
from worker.engines.rows import Row
from worker.engines.sampling import Sampling, SeededSampler

#: Tokens, padding included, that are read together when texts join: enough to keep a device busy, and no more.
_READ_AT_ONCE = 2048
#: Places that a memory grows by; between, a new token copies nothing.
_GROWTH = 64


def joinable(lm: LanguageModel) -> bool:
    """Whether texts of this model can share its passes: it continues a text, and remembers every token alike."""
    base = lm.model.get_base_model() if hasattr(lm.model, "get_base_model") else lm.model
    takes = inspect.signature(base.forward).parameters.keys()
    tuned = getattr(lm.model, "active_peft_config", None)
    if tuned is not None and tuned.is_prompt_learning:
        return False  # what it has learned stands before the prompt, and the library's own loop alone puts it there
    if lm.encodes or not {"past_key_values", "position_ids", "logits_to_keep"} <= takes:
        return False
    layers = DynamicCache(config=lm.model.config).layers
    return bool(layers) and all(type(layer) is DynamicLayer for layer in layers)


def place_bytes(lm: LanguageModel) -> int:
    """What the memory of one token of one text takes: the keys and values of every layer."""
    config = lm.model.config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return int(2 * config.num_hidden_layers * heads * size * lm.model.dtype.itemsize)


@dataclass(eq=False)
class Line:
    """A text in the making: what it goes on from, [length], how its tokens are chosen, and what has come of it."""

    row: Row
    prompt: torch.Tensor
    sampling: Sampling
    dice: torch.Generator
    _written: list[int] = field(default_factory=list)

    @property
    def longest(self) -> int:
        """Places that it may come to need."""
        return len(self.prompt) + self.sampling.max_new_tokens

    @property
    def done(self) -> bool:
        """Whether no further token is wanted."""
        return self.row.finish is not None

    def take(self, token: int, likelihood: float) -> None:
        """The next token, and the logarithm of its chance."""
        self._written.append(token)
        self.row.likelihood += likelihood
        self.row.add(token)
        if len(self._written) >= self.sampling.max_new_tokens:
            self.row.close("length")

    def penalised(self, scores: torch.Tensor) -> torch.Tensor:
        """Its scores, [1, vocabulary], with what it has said already made less likely."""
        said = torch.cat([self.prompt, self.prompt.new_tensor(self._written)])[None]
        fewer: torch.Tensor = RepetitionPenaltyLogitsProcessor(self.sampling.repetition_penalty)(said, scores)
        return fewer


class Chorus:
    """The texts that one model goes on with together.

    All keys and values stand in one memory, [rows, heads, places, size], aligned at their ends; the places before
    a shorter text are masked.
    """

    def __init__(self, lm: LanguageModel) -> None:
        self.lm = lm
        self.lines: list[Line] = []
        self._memory: DynamicCache | None = None
        self._mask = torch.empty(0, 0, dtype=torch.long)
        self._last = torch.empty(0, 1, dtype=torch.long)

    @torch.inference_mode()
    def join(self, lines: Sequence[Line]) -> None:
        """Read the prompts of new texts and write the first token of each. Equal prompts are read once."""
        for portion in _portions(lines):
            prompts = list({id(line.prompt): line.prompt for line in portion}.values())
            memory, mask, scores = self._read(prompts)
            places = {id(prompt): place for place, prompt in enumerate(prompts)}
            rows = torch.tensor([places[id(line.prompt)] for line in portion], device=mask.device)
            if len(rows) != len(prompts) or len(portion) > 1:
                memory, mask, scores = _kept(memory, rows), mask[rows], scores[rows]
            tokens = _chosen(portion, scores)
            self._memory = memory if self._memory is None else _side_by_side(self._memory, memory)
            self._mask = mask if not self.lines else torch.cat(_aligned(self._mask, mask))
            self._last = tokens if not self.lines else torch.cat([self._last, tokens])
            self.lines += portion
        self._let_go()

    @torch.inference_mode()
    def step(self) -> None:
        """Write one more token of every text; those that are done are lines no more."""
        one = self._mask.new_ones(len(self.lines), 1)
        self._mask = torch.cat([self._mask, one], dim=1)
        said = self.lm.model(
            input_ids=self._last,
            attention_mask=self._mask,
            position_ids=self._mask.sum(1, keepdim=True) - 1,
            past_key_values=self._memory,
            use_cache=True,
            logits_to_keep=1,
        )
        self._last = _chosen(self.lines, said.logits[:, -1])
        self._let_go()

    def drop(self, lines: Sequence[Line]) -> None:
        """Let go of texts that nobody wants any more."""
        self._let_go({id(line) for line in lines})

    def _read(self, prompts: Sequence[torch.Tensor]) -> tuple[DynamicCache, torch.Tensor, torch.Tensor]:
        """What the model remembers of some prompts, where those are, and the scores of their next tokens."""
        longest = max(len(prompt) for prompt in prompts)
        tokens = torch.stack([torch.nn.functional.pad(each, (longest - len(each), 0)) for each in prompts])
        there = torch.tensor([[longest - len(each)] for each in prompts], device=tokens.device)
        mask = (torch.arange(longest, device=tokens.device) >= there).long()
        memory = DynamicCache()
        memory.layer_class_to_replicate = _Roomy
        said = self.lm.model(
            input_ids=tokens,
            attention_mask=mask,
            position_ids=(mask.cumsum(1) - 1).clamp(min=0),
            past_key_values=memory,
            use_cache=True,
            logits_to_keep=1,
        )
        return memory, mask, said.logits[:, -1]

    def _let_go(self, unwanted: set[int] | None = None) -> None:
        unwanted = unwanted or set()
        stay = [place for place, line in enumerate(self.lines) if not (line.done or id(line) in unwanted)]
        if len(stay) == len(self.lines):
            return
        self.lines = [self.lines[place] for place in stay]
        if not stay or self._memory is None:
            self._memory = None
            return
        rows = torch.tensor(stay, device=self._mask.device)
        self._mask, self._last = self._mask[rows], self._last[rows]
        # The places that only those who went had.
        unused = int(self._mask.argmax(1).min())
        self._memory, self._mask = _kept(self._memory, rows, unused), self._mask[:, unused:]


class _Roomy(DynamicLayer):
    """Keys and values with room behind them, so that a step copies nothing: `keys` and `values` are views."""

    keys: torch.Tensor
    values: torch.Tensor

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Add those of new tokens, [rows, heads, tokens, size]; all there are."""
        before = self.get_seq_length()
        now = before + key_states.shape[-2]
        if not self.is_initialized or now > self._keys.shape[-2]:
            self._take(key_states, value_states, before, now)
        self._keys[:, :, before:now], self._values[:, :, before:now] = key_states, value_states
        self.keys, self.values = self._keys[:, :, :now], self._values[:, :, :now]
        return self.keys, self.values

    def _take(self, key_states: torch.Tensor, value_states: torch.Tensor, before: int, now: int) -> None:
        old = (self.keys, self.values) if self.is_initialized else None
        self.lazy_initialization(key_states, value_states)
        self._keys, self._values = (_room(like, now + _GROWTH) for like in (key_states, value_states))
        if old is not None:
            self._keys[:, :, :before], self._values[:, :, :before] = old

    def hold(self, keys: torch.Tensor, values: torch.Tensor) -> None:
        """Have these as all there are, without room."""
        self.lazy_initialization(keys, values)
        self._keys = self.keys = keys
        self._values = self.values = values


def _layers(memory: DynamicCache) -> list[_Roomy]:
    return [layer for layer in memory.layers if isinstance(layer, _Roomy)]


def _room(like: torch.Tensor, places: int) -> torch.Tensor:
    rows, heads, _, size = like.shape
    return like.new_zeros(rows, heads, places, size)


def _portions(lines: Sequence[Line]) -> list[list[Line]]:
    """Lines whose prompts are of about one length, as many as are read at once."""
    portions: list[list[Line]] = []
    for line in sorted(lines, key=lambda line: len(line.prompt)):
        if portions and (len(portions[-1]) + 1) * len(line.prompt) <= _READ_AT_ONCE:
            portions[-1].append(line)
        else:
            portions.append([line])
    return portions


def _kept(memory: DynamicCache, rows: torch.Tensor, unused: int = 0) -> DynamicCache:
    """These rows of a memory, without their first places."""
    return _of([(each.keys[rows, :, unused:], each.values[rows, :, unused:]) for each in _layers(memory)])


def _side_by_side(one: DynamicCache, other: DynamicCache) -> DynamicCache:
    """The rows of two memories in one, aligned at their ends."""
    return _of([
        (torch.cat(_aligned(a.keys, b.keys, dim=-2)), torch.cat(_aligned(a.values, b.values, dim=-2)))
        for a, b in zip(_layers(one), _layers(other), strict=True)
    ])  # fmt: skip


def _of(layers: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> DynamicCache:
    memory = DynamicCache()
    memory.layer_class_to_replicate = _Roomy
    for keys, values in layers:
        layer = _Roomy()
        layer.hold(keys, values)
        memory.layers.append(layer)
    return memory


def _aligned(one: torch.Tensor, other: torch.Tensor, dim: int = -1) -> list[torch.Tensor]:
    """Both, the shorter one with zeros before it."""
    longest = max(one.shape[dim], other.shape[dim])
    after = [0, 0] * (-dim - 1)  # the dimensions behind stay
    return [torch.nn.functional.pad(each, (*after, longest - each.shape[dim], 0)) for each in (one, other)]


def _chosen(lines: Sequence[Line], scores: torch.Tensor) -> torch.Tensor:
    """The next token of each line, [rows, 1], by its own settings and dice; each line has taken it."""
    scores = scores.float()
    tokens = torch.empty(len(lines), dtype=torch.long, device=scores.device)
    for places in _alike(lines):
        those, some = [lines[place] for place in places], scores[places]
        how = those[0].sampling
        if how.repetition_penalty != 1:
            some = torch.cat([line.penalised(some[[n]]) for n, line in enumerate(those)])
        if how.temperature > 0:
            some = SeededSampler(how, [line.dice for line in those])(tokens, some)
        tokens[places] = some.argmax(-1)
    chances = scores.gather(-1, tokens[:, None])[:, 0] - scores.logsumexp(-1)
    for line, token, chance in zip(lines, tokens.tolist(), chances.tolist(), strict=True):
        line.take(token, chance)
    return tokens[:, None]


def _alike(lines: Sequence[Line]) -> list[list[int]]:
    """The places of the lines whose tokens are chosen in the same way."""
    found: dict[tuple[float, ...], list[int]] = {}
    for place, line in enumerate(lines):
        how = line.sampling
        found.setdefault((how.temperature, how.top_k, how.top_p, how.repetition_penalty), []).append(place)
    return list(found.values())
