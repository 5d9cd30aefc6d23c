"""Language models from nothing: an architecture with random weights, and a tokenizer made of the data."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from shared.errors import JobError

Tokens = Literal["characters", "bpe"]
Architecture = Literal["gpt2", "llama"]

END, PADDING, UNKNOWN, BEGIN_TURN, END_TURN = "<|end|>", "<|pad|>", "<|unknown|>", "<|turn|>", "<|done|>"

_CHAT = (
    "{% for message in messages %}" + BEGIN_TURN + "{{ message['role'] }}\n{{ message['content'] }}" + END_TURN + "\n"
    "{% endfor %}{% if add_generation_prompt %}" + BEGIN_TURN + "assistant\n{% endif %}"
)


@dataclass(frozen=True)
class Shape:
    """The size of a model from nothing; `context` is in tokens."""

    architecture: Architecture
    layers: int
    heads: int
    width: int
    context: int
    dropout: float = 0.0


def made_tokenizer(rows: Sequence[Mapping[str, Any]], kind: Tokens, vocabulary: int) -> PreTrainedTokenizerFast:
    """A tokenizer of the characters, or the frequent pieces, that the rows are made of.

    Args:
        rows: texts, prompts or conversations; these last give it a chat template.
        kind: `characters` for one token a character, `bpe` for pieces of bytes, which know every text.
        vocabulary: tokens of BPE at most.
    """
    chats = bool(rows) and "messages" in rows[0]
    special = [PADDING, UNKNOWN, END, *((BEGIN_TURN, END_TURN) if chats else ())]
    if kind == "characters":
        known = sorted({character for text in _texts(rows) for character in text})
        vocab = {token: number for number, token in enumerate([*special, *known])}
        tokenizer = Tokenizer(models.WordLevel(vocab, unk_token=UNKNOWN))
        tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
        tokenizer.decoder = decoders.Fuse()
    else:
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(
            vocab_size=vocabulary, special_tokens=special, initial_alphabet=alphabet, show_progress=False
        )
        tokenizer.train_from_iterator(_texts(rows), trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PADDING, unk_token=UNKNOWN, eos_token=END_TURN if chats else END
    )
    if chats:
        fast.add_special_tokens({"additional_special_tokens": [BEGIN_TURN]})
        fast.chat_template = _CHAT
    return fast


def made_model(shape: Shape, tokenizer: Any) -> Any:
    """A model with random weights, from the dice as they stand.

    Raises:
        JobError: the width cannot be shared by the heads.
    """
    if shape.width % (2 * shape.heads):
        raise JobError(
            "wrong_shape",
            f"A width of {shape.width} cannot be shared evenly by {shape.heads} heads. Take a multiple of "
            f"{2 * shape.heads}.",
            field="width",
        )
    ends: dict[str, Any] = {
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    if shape.architecture == "gpt2":
        drops: dict[str, Any] = {f"{part}_pdrop": shape.dropout for part in ("attn", "embd", "resid")}
        return GPT2LMHeadModel(
            GPT2Config(
                vocab_size=len(tokenizer), n_positions=shape.context, n_embd=shape.width, n_layer=shape.layers,
                n_head=shape.heads, **drops, **ends,
            )
        )  # fmt: skip
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer), max_position_embeddings=shape.context, hidden_size=shape.width,
            intermediate_size=-(-shape.width * 8 // 3 // 16) * 16, num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads, attention_dropout=shape.dropout, tie_word_embeddings=True, **ends,
        )
    )  # fmt: skip


def _texts(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for row in rows:
        if "messages" in row:
            for message in row["messages"]:
                yield f"{message['role']}\n{message['content']}\n"
        elif "prompt" in row:
            yield f"{row['prompt']}{row['completion']}"
        else:
            yield str(row["text"])
