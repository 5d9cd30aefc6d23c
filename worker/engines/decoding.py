"""Writing tokens with a language model: seeded sampling, live text, stop strings.

Each row of a batch has its own seed and comes out as it would alone. Knows no prompt templates, no jobs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, Self

import torch
from transformers import (
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    StoppingCriteria,
    StoppingCriteriaList,
)

from shared.errors import JobError
from worker.engines.language import LanguageModel

Finish = Literal["stop", "length"]
#: Tokens of the prompt that the detokeniser sees first, so that the space before the first new word is right.
_TAIL = 6
#: What belongs to how an encoder-decoder model begins, and to no taste: kept from the checkpoint.
_BEGINNINGS = ("decoder_start_token_id", "bos_token_id", "forced_bos_token_id", "bad_words_ids")


class Asked(Protocol):
    """How a job asks for the next token to be chosen."""

    @property
    def max_new_tokens(self) -> int: ...
    @property
    def temperature(self) -> float: ...
    @property
    def top_k(self) -> int: ...
    @property
    def top_p(self) -> float: ...
    @property
    def repetition_penalty(self) -> float: ...


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How the next token is chosen, and where the text ends."""

    max_new_tokens: int
    temperature: float
    top_k: int
    top_p: float
    repetition_penalty: float
    stop: Sequence[str] = ()

    @classmethod
    def of(cls, asked: Asked, stop: Sequence[str] = ()) -> Self:
        """As a job asks for it; its text ends before the first text of `stop`."""
        return cls(
            max_new_tokens=asked.max_new_tokens,
            temperature=asked.temperature,
            top_k=asked.top_k,
            top_p=asked.top_p,
            repetition_penalty=asked.repetition_penalty,
            stop=stop,
        )


@dataclass
class Row:
    """One text as it is written: its tokens, its text so far, and why it ended."""

    tokenizer: Any
    stop: Sequence[str]
    ends: frozenset[int]
    prompt_tail: list[int]
    text: str = ""
    tokens: int = 0
    finish: Finish | None = None
    #: Natural logarithm of the model's own probability of all tokens, whatever the sampling made of it; per token it
    #: says how well the model thinks of the text.
    likelihood: float = 0.0
    _ids: list[int] = field(default_factory=list)
    _from: int = 0
    _read: int = 0

    def __post_init__(self) -> None:
        self._ids = list(self.prompt_tail)
        self._read = len(self._ids)

    def add(self, token: int) -> None:
        """Take the next token; a finished row takes none."""
        if self.finish:
            return
        self.tokens += 1
        if token in self.ends:
            self.close("stop")
            return
        self._ids.append(token)
        fresh = self._fresh()
        if not fresh or fresh.endswith("\ufffd"):  # in the middle of a character of several tokens
            return
        self._from, self._read = self._read, len(self._ids)
        self._extend(fresh)

    def close(self, finish: Finish) -> None:
        """End the text; bytes of a character that was never completed go."""
        if self.finish:
            return
        self.finish = finish
        self._extend(self._fresh().rstrip("\ufffd"))

    @property
    def shown(self) -> str:
        """The text that is sure to stay: without an end that may turn out to be a stop string's beginning."""
        if self.finish:
            return self.text
        longest = max((len(stop) for stop in self.stop), default=1) - 1
        for length in range(min(longest, len(self.text)), 0, -1):
            if any(stop.startswith(self.text[-length:]) for stop in self.stop):
                return self.text[:-length]
        return self.text

    def _fresh(self) -> str:
        known, now = (
            self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
            for ids in (self._ids[self._from : self._read], self._ids[self._from :])
        )
        return str(now[len(known) :])

    def _extend(self, fresh: str) -> None:
        searched = len(self.text)
        self.text += fresh
        hits = [self.text.find(stop, max(0, searched - len(stop) + 1)) for stop in self.stop]
        found = [hit for hit in hits if hit >= 0]
        if found:
            self.text, self.finish = self.text[: min(found)], "stop"


class SeededSampler(LogitsProcessor):
    """Sampling as an argmax: logits plus Gumbel noise, drawn by each row's own generator.

    The noise belongs to the token, not to its rank, so rounding between batch sizes does not change the choice.
    """

    def __init__(self, sampling: Sampling, seeds: Sequence[int]) -> None:
        self.temperature, self.top_k, self.top_p = sampling.temperature, sampling.top_k, sampling.top_p
        self.generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:  # noqa: ARG002 - their form
        """The scores whose argmax is the sample."""
        scores = scores.float() / self.temperature
        vocabulary = scores.shape[-1]
        uniform = torch.stack([torch.rand(vocabulary, generator=generator) for generator in self.generators])
        uniform = uniform.to(scores.device)
        if self.top_k == 0 and self.top_p == 1:
            return scores + _gumbel(uniform)
        best, tokens = scores.topk(min(self.top_k or vocabulary, vocabulary), dim=-1)
        chance = best.softmax(-1)
        # A token stays while those before it have not reached top_p; so the first always stays.
        beyond = chance.cumsum(-1) - chance >= self.top_p
        best = (best + _gumbel(uniform.gather(-1, tokens))).masked_fill(beyond, -torch.inf)
        return torch.full_like(scores, -torch.inf).scatter(-1, tokens, best)


def _gumbel(uniform: torch.Tensor) -> torch.Tensor:
    # Clamped, so that neither logarithm is infinite.
    return -torch.log(-torch.log(uniform.clamp(1e-20, 1 - 1e-7)))


class _Thought(LogitsProcessor):
    """Notes what the model itself thinks of every token, before anything else changes the scores."""

    def __init__(self) -> None:
        self.scores = torch.empty(0)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:  # noqa: ARG002 - their form
        self.scores = scores.float().log_softmax(-1)
        return scores


class _Watch(StoppingCriteria):
    """Sees every token of every row; what `on_step` raises ends the generation."""

    def __init__(self, rows: list[Row], thought: _Thought, on_step: Callable[[int, list[Row]], None]) -> None:
        self.rows, self.thought, self.on_step, self.steps = rows, thought, on_step, 0

    def __call__(self, input_ids: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
        tokens = input_ids[:, -1:]
        thought = self.thought.scores.gather(-1, tokens)[:, 0].tolist()
        for row, token, likelihood in zip(self.rows, tokens[:, 0].tolist(), thought, strict=True):
            if row.finish is None:
                row.likelihood += likelihood
            row.add(token)
        self.steps += 1
        self.on_step(self.steps, self.rows)
        return torch.tensor([row.finish is not None for row in self.rows], device=input_ids.device)


def check_window(lm: LanguageModel, prompt: torch.Tensor, max_new_tokens: int) -> None:
    """Refuse what the model cannot hold, before it does damage: on a GPU an index too far poisons the process."""
    length = prompt.shape[-1]
    if lm.encodes:
        if max(length, max_new_tokens) > lm.window:
            raise JobError(
                "context_too_long",
                f"The text has {length:,} tokens and the answer may have {max_new_tokens:,}; this model holds "
                f"{lm.window:,} of each. Shorten the text or the answer.",
                field="max_new_tokens",
            )
    elif length + max_new_tokens > lm.window:
        raise JobError(
            "context_too_long",
            f"The prompt has {length:,} tokens and the answer may have {max_new_tokens:,}; this model holds "
            f"{lm.window:,} in all. Shorten the prompt or the answer.",
            field="max_new_tokens",
        )


def write(
    lm: LanguageModel,
    prompt: torch.Tensor,
    sampling: Sampling,
    *,
    seeds: Sequence[int],
    on_step: Callable[[int, list[Row]], None],
    seen: Mapping[str, torch.Tensor] | None = None,
) -> list[Row]:
    """Continue, or answer, one prompt once per seed. `on_step(step, rows)` is called after every token.

    `seen` is what the model looks at besides the prompt: the pixels of a picture.
    """
    check_window(lm, prompt, sampling.max_new_tokens)
    tail = [] if lm.encodes else prompt[0, -_TAIL:].tolist()
    rows = [Row(lm.tokenizer, sampling.stop, lm.ends, tail) for _ in seeds]
    thought = _Thought()
    tokens = prompt.expand(len(seeds), -1)
    with torch.inference_mode():
        lm.model.generate(
            input_ids=tokens,
            **{name: value.expand(len(seeds), *value.shape[1:]) for name, value in (seen or {}).items()},
            attention_mask=torch.ones_like(tokens),
            generation_config=_greedy(lm, sampling.max_new_tokens),
            logits_processor=LogitsProcessorList([thought, *_processors(sampling, seeds)]),
            stopping_criteria=StoppingCriteriaList([_Watch(rows, thought, on_step)]),
        )
    for row in rows:
        row.close("length")
    return rows


def _processors(sampling: Sampling, seeds: Sequence[int]) -> LogitsProcessorList:
    processors = LogitsProcessorList()
    if sampling.repetition_penalty != 1:
        processors.append(RepetitionPenaltyLogitsProcessor(sampling.repetition_penalty))
    if sampling.temperature > 0:
        processors.append(SeededSampler(sampling, seeds))
    return processors


def _greedy(lm: LanguageModel, max_new_tokens: int) -> GenerationConfig:
    # Greedy over scores that already hold the noise; a fresh configuration, so the checkpoint's own settings
    # (its temperature, its penalties) do not mix with the params.
    ends = sorted(lm.ends) or None
    pad = lm.tokenizer.pad_token_id
    theirs = {name: getattr(lm.model.generation_config, name, None) for name in _BEGINNINGS} if lm.encodes else {}
    return GenerationConfig(
        max_new_tokens=max_new_tokens,
        do_sample=False,
        num_beams=1,
        repetition_penalty=1.0,
        eos_token_id=ends,
        pad_token_id=pad if pad is not None else (ends[0] if ends else 0),
        use_cache=True,
        **theirs,
    )
