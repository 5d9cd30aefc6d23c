"""Writing tokens with a language model: seeded sampling, live text, stop strings.

Each row of a batch has its own seed and comes out as it would alone. Knows no prompt templates, no jobs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

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
from worker.engines.continuous import Chorus, Line, joinable
from worker.engines.language import LanguageModel
from worker.engines.rows import Row
from worker.engines.sampling import Sampling, SeededSampler, dice_of

#: Tokens of the prompt that the detokeniser sees first, so that the space before the first new word is right.
_TAIL = 6
#: What belongs to how an encoder-decoder model begins, and to no taste: kept from the checkpoint.
_BEGINNINGS = ("decoder_start_token_id", "bos_token_id", "forced_bos_token_id", "bad_words_ids")


OnStep = Callable[[int, list[Row]], None]
"""Called after every token with how many there are, and the rows."""


class _Thought(LogitsProcessor):
    """Notes what the model itself thinks of every token, before anything else changes the scores."""

    def __init__(self) -> None:
        self.scores = torch.empty(0)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:  # noqa: ARG002 - their form
        self.scores = scores.float().log_softmax(-1)
        return scores


class _Watch(StoppingCriteria):
    """Sees every token of every row; what `on_step` raises ends the generation."""

    def __init__(self, rows: list[Row], thought: _Thought, on_step: OnStep) -> None:
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
    on_step: OnStep,
    seen: Mapping[str, torch.Tensor] | None = None,
) -> list[Row]:
    """Continue, or answer, one prompt once per seed. `on_step(step, rows)` is called after every token.

    `seen` is what the model looks at besides the prompt: the pixels of a picture.
    """
    rows = [row_of(lm, prompt, sampling) for _ in seeds]
    if not seen and joinable(lm):
        start = prompt[0]
        _finish(lm, [Line(row, start, sampling, dice) for row, dice in zip(rows, dice_of(seeds), strict=True)], on_step)
    else:
        _generate(lm, prompt, sampling, rows, seeds, on_step, seen or {})
    return rows


def row_of(lm: LanguageModel, prompt: torch.Tensor, sampling: Sampling) -> Row:
    """The row of a text that goes on from a prompt, [1, length].

    Raises:
        JobError: the model cannot hold it.
    """
    check_window(lm, prompt, sampling.max_new_tokens)
    return Row(lm.tokenizer, sampling.stop, lm.ends, [] if lm.encodes else prompt[0, -_TAIL:].tolist())


def write_each(
    lm: LanguageModel, prompts: Sequence[torch.Tensor], sampling: Sampling, heed: Callable[[], None]
) -> list[Row]:
    """Go on from several prompts, each [1, length], with dice of one seed; `heed` is called with every token."""
    if not joinable(lm):
        return [write(lm, each, sampling, seeds=[0], on_step=lambda *_: heed())[0] for each in prompts]
    rows = [row_of(lm, each, sampling) for each in prompts]
    dice = dice_of([0] * len(rows))
    lines = [Line(row, each[0], sampling, own) for row, each, own in zip(rows, prompts, dice, strict=True)]
    _finish(lm, lines, lambda *_: heed())
    return rows


def _finish(lm: LanguageModel, lines: Sequence[Line], on_step: OnStep) -> None:
    """Write lines to their ends, side by side."""
    chorus, step, rows = Chorus(lm), 1, [line.row for line in lines]
    chorus.join(lines)
    on_step(step, rows)
    while chorus.lines:
        chorus.step()
        step += 1
        on_step(step, rows)


def _generate(
    lm: LanguageModel, prompt: torch.Tensor, sampling: Sampling, rows: list[Row], seeds: Sequence[int], on_step: OnStep,
    seen: Mapping[str, torch.Tensor],
) -> None:  # fmt: skip
    """By the library's own loop: what is seen goes in with the prompt, and any memory will do."""
    thought, tokens = _Thought(), prompt.expand(len(seeds), -1)
    with torch.inference_mode():
        lm.model.generate(
            input_ids=tokens,
            **{name: value.expand(len(seeds), *value.shape[1:]) for name, value in seen.items()},
            attention_mask=torch.ones_like(tokens),
            generation_config=_greedy(lm, sampling.max_new_tokens),
            logits_processor=LogitsProcessorList([thought, *_processors(sampling, seeds)]),
            stopping_criteria=StoppingCriteriaList([_Watch(rows, thought, on_step)]),
        )
    for row in rows:
        row.close("length")


def _processors(sampling: Sampling, seeds: Sequence[int]) -> LogitsProcessorList:
    processors = LogitsProcessorList()
    if sampling.repetition_penalty != 1:
        processors.append(RepetitionPenaltyLogitsProcessor(sampling.repetition_penalty))
    if sampling.temperature > 0:
        processors.append(SeededSampler(sampling, dice_of(seeds)))
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
