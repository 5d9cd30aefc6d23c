"""New words for a pipeline's text encoder: vectors for tokens that its vocabulary lacks (textual inversion).

After Gal et al., arXiv:2208.01618. The encoder's own weights stay as they are: a word is put in where it is read.
"""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from shared.errors import JobError

FILE = "learned_embeds.safetensors"


def check_words(pipe: Any, name: str, *, field: str) -> None:
    """JobError where the pipeline cannot learn or use new words."""
    encoder = getattr(pipe, "text_encoder", None)
    several = getattr(pipe, "text_encoder_2", None) is not None
    if several or encoder is None or not hasattr(pipe, "maybe_convert_prompt"):
        sentence = f"“{name}” takes no new words: that needs one text encoder."
        raise JobError("unsupported_setting", sentence, field=field)


@contextmanager
def speaking(pipe: Any, words: Mapping[str, Tensor]) -> Iterator[None]:
    """The pipeline knows these words, each of [n, width] vectors, and afterwards as many as before."""
    undo = teach(pipe, words)
    try:
        yield
    finally:
        undo()


def teach(pipe: Any, words: Mapping[str, Tensor]) -> Any:
    """Let the pipeline know these words; what is returned lets it forget them.

    Raises:
        JobError: it knows one of them already, or a word's vectors are not as wide as its own.
    """
    tokenizer, embedding = pipe.tokenizer, pipe.text_encoder.get_input_embeddings()
    mine = copy.deepcopy(tokenizer)
    rows: dict[int, tuple[Tensor, int]] = {}
    for word, vectors in words.items():
        if vectors.ndim != 2 or vectors.shape[1] != embedding.weight.shape[1]:
            raise JobError("wrong_base", f"The word “{word}” is of another model.", field="adapters")
        tokens = [word, *(f"{word}_{number}" for number in range(1, len(vectors)))]
        if mine.add_tokens(tokens) != len(tokens):
            raise JobError("unsupported_setting", f"The model knows the word “{word}” already.", field="adapters")
        for number, identity in enumerate(mine.convert_tokens_to_ids(tokens)):
            rows[identity] = vectors, number
    asked: list[Tensor] = []

    def before(_: Any, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        asked[:] = [given[0]]
        known = torch.where(given[0] < embedding.weight.shape[0], given[0], 0)
        return (known, *given[1:])

    def after(_: Any, __: Any, found: Tensor) -> Tensor:
        for identity, (vectors, number) in rows.items():
            vector = vectors[number].to(found.device, found.dtype)
            found = torch.where((asked[0] == identity).unsqueeze(-1), vector, found)
        return found

    hooks = [embedding.register_forward_pre_hook(before), embedding.register_forward_hook(after)]
    pipe.tokenizer = mine

    def undo() -> None:
        for hook in hooks:
            hook.remove()
        pipe.tokenizer = tokenizer

    return undo
