"""Rows of texts, prompts or conversations as what a language learner learns and is judged by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from shared.errors import JobError
from shared.library import ModelSource
from worker.engines.language import LanguageModel, load_language_model
from worker.engines.training.adaptation import Method
from worker.engines.training.masking import PLAIN_TEMPLATE, Reader, Row
from worker.engines.training.packing import Strip, strips
from worker.engines.tuned import is_adapter


@dataclass(frozen=True)
class Lessons:
    """Strips to learn, strips to be judged by, and what was made of the rows, for the report."""

    learned: list[Strip]
    held: list[Strip]
    about: Mapping[str, Any]


def lessons(reader: Reader, rows: Sequence[Row], held: Sequence[Row], *, packed: bool) -> Lessons:
    """The lessons in some rows; `packed` puts short examples side by side."""
    read = reader.read(rows)
    found = read.examples
    if packed:
        lie = strips([len(each.tokens) for each in found], reader.longest)
        learned: list[Strip] = [[found[number] for number in numbers] for numbers in lie]
    else:
        learned = [[each] for each in found]
    about = {
        "rows": len(rows),
        "held_out_rows": len(held),
        "examples": len(found),
        "strips": len(learned),
        "tokens": sum(len(each.tokens) for each in found),
        "tokens_to_learn": sum(each.weight for each in found),
        "rows_cut_off": read.shortened,
        "rows_left_out": read.dropped,
        "longest_example": reader.longest,
    }
    return Lessons(learned, alone(reader, held), about)


def alone(reader: Reader, rows: Sequence[Row]) -> list[Strip]:
    """Each example of some rows in a strip of its own, as models are judged."""
    return [[each] for each in reader.read(rows, needed=False).examples]


def check_base(source: ModelSource) -> ModelSource:
    """The source, if a language model can be trained from it.

    Raises:
        JobError: it does something else, or is an adapter.
    """
    if source.task != "text-generation":
        sentence = f"The model “{source.name}” is for {source.task}; this trains models for text-generation."
        raise JobError("wrong_task", sentence, field="base")
    if is_adapter(source):
        sentence = (
            f"“{source.name}” is an adapter of “{source.base}”. Train that base again, or one that was saved merged."
        )
        raise JobError("wrong_base", sentence, field="base")
    return source


def load_base(base: ModelSource, device: str, method: Method, *, save_memory: bool) -> LanguageModel:
    """The base, anew, for it is changed. Weights that learn do so in 32 bits."""
    exact = torch.float32 if method in {"full", "top_layers"} else None
    lm = load_language_model(base, device, exact, four_bits=method == "qlora")
    if save_memory:
        keep_less(lm.model)
    return lm


def keep_less(model: Any) -> None:
    """Let the model compute its activations again where they are needed, instead of keeping them."""
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})


def with_template(lm: LanguageModel, rows: Sequence[Row]) -> None:
    """Give the tokenizer a plain form of conversations where the rows are some and it knows none."""
    turns = bool(rows) and ("messages" in rows[0] or not isinstance(rows[0].get("prompt", ""), str))
    if turns and not lm.chats:
        if lm.tokenizer.eos_token is None:
            raise JobError("unsupported_setting", "This base has no token that ends a text, so it cannot learn turns.")
        lm.tokenizer.chat_template = PLAIN_TEMPLATE


def padding(lm: LanguageModel) -> int:
    """A token to fill up with; which one does not matter, for nobody looks at it."""
    return int(lm.tokenizer.pad_token_id or 0)
