"""Kinds that write and kinds that read texts, against the library's own generate and forward."""

from collections.abc import Callable, Iterator
from typing import Any

import torch

from benchmarks.installation import Installation
from benchmarks.overhead import UNFINISHED, Figure, compared, ran, source_of
from worker.engines.encoders import Encoder, batches, load_encoder
from worker.engines.language import LanguageModel, load_language_model
from worker.engines.tagging import windows

TOKENS = 64
PROMPT = "Write about the sea and the people who live beside it."
_GREEDY = {"temperature": 0, "repetition_penalty": 1.0, "max_new_tokens": TOKENS}
_ASKED = [{"role": "user", "content": PROMPT}]
#: A language that nobody checks: Python that does not parse would be written anew.
_TASK = {"prompt": "Write a function that sorts a list of numbers.", "language": "rust"}
_NEWS = "The council met on Monday to discuss the old bridge. It will be repaired for four million euros from May on."

_SENTENCES = [
    f"Maria Gonzalez of Contoso told the board in Madrid that number {row} was a success." for row in range(640)
]


def writing(place: Installation) -> Iterator[Figure]:
    """The kinds that write with the starter language model, greedy, against `model.generate` of as many tokens."""
    lm = load_language_model(source_of(place, "smollm2-135m"), "cpu")
    for kind, params in (
        ("generate_text", {"prompt": PROMPT}),
        ("chat", {"messages": _ASKED}),
        ("generate_code", _TASK),
        ("transform_text", {"text": _NEWS}),
    ):
        params = params | _GREEDY | UNFINISHED
        first = ran(place, kind, params)
        read = int(first.metrics.get("prompt_tokens") or _read_by_transform(lm))
        yield compared(place, kind, params, _generate(lm, read, int(first.metrics["tokens"])))


def reading(place: Installation) -> Iterator[Figure]:
    """The kinds that read many texts, against the tokenizer and the network over the same batches."""
    for kind, model in (("classify_text", "sentiment"), ("tag_entities", "entities"), ("embed_text", "minilm")):
        source = source_of(place, model)
        encoder = load_encoder(source, source_of(place, source.base) if source.base else None, "cpu")
        yield compared(place, kind, {"texts": _SENTENCES}, _forward(encoder, tagging=kind == "tag_entities"))


def _generate(lm: LanguageModel, read: int, written: int) -> Callable[[], object]:
    """The bare library on a prompt of so many tokens, and an answer of so many."""
    prompt = lm.encode(PROMPT * 40)[:, :read]

    def bare() -> None:
        with torch.inference_mode():
            lm.model.generate(
                input_ids=prompt,
                attention_mask=torch.ones_like(prompt),
                do_sample=False,
                min_new_tokens=written,
                max_new_tokens=written,
            )

    return bare


def _read_by_transform(lm: LanguageModel) -> int:
    told = f"Summarise this text in two or three sentences.\n\n{_NEWS}"
    return int(lm.encode_chat([{"role": "user", "content": told}]).shape[-1])


def _forward(encoder: Encoder, *, tagging: bool) -> Callable[[], object]:
    def bare() -> list[Any]:
        if tagging:
            tokens = [part.tokens for number, text in enumerate(_SENTENCES) for part in windows(encoder, number, text)]
        else:
            tokens = encoder.tokens(_SENTENCES)
        with torch.inference_mode():
            return [
                encoder.model(**encoder.batch([tokens[index] for index in group]))
                for group in batches([len(row) for row in tokens])
            ]

    return bare
