"""BERT-like models: vectors, labels of a text, labels of its tokens, and a LoRA adapter on top of another."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaForSequenceClassification,
    RobertaModel,
)

LABELS = {0: "bad", 1: "so so", 2: "good"}
TAGS = {0: "O", 1: "B-PER", 2: "I-PER", 3: "B-LOC", 4: "I-LOC"}
_PIECES = "abcdefghijklmnopqrstuvwxyz"
_SIZE: dict[str, Any] = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48,
    "max_position_embeddings": 64,
}  # fmt: skip


def letter_tokenizer() -> PreTrainedTokenizerFast:
    """A token for each letter and its place in the word, as WordPiece numbers them, and a few whole words."""
    words = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        *_PIECES,
        *(f"##{letter}" for letter in _PIECES),
        ".",
        ",",
        "the",
        "in",
    ]
    tokenizer = Tokenizer(models.WordPiece({word: number for number, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
        model_max_length=48,
    )  # fmt: skip


def _saves(model: Callable[..., Any], config: Callable[..., Any], **further: Any) -> Callable[[Path], None]:
    def save(folder: Path) -> None:
        tokenizer = letter_tokenizer()
        model(config(vocab_size=len(tokenizer), pad_token_id=0, **further)).save_pretrained(folder)
        tokenizer.save_pretrained(folder)

    return save


def _adapter(folder: Path) -> None:
    """A head and a LoRA on `tiny-bert`, and nothing else: no tokenizer, no base weights."""
    base = BertForSequenceClassification(BertConfig(vocab_size=len(letter_tokenizer()), id2label=LABELS, **_SIZE))
    config = LoraConfig(task_type="SEQ_CLS", r=2, target_modules=["query", "value"], modules_to_save=["classifier"])
    adapted = get_peft_model(base, config)
    with torch.no_grad():  # a LoRA begins as nothing; this one is to be seen
        for name, weight in adapted.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.5)
    adapted.save_pretrained(folder)
    base.config.save_pretrained(folder)
    (folder / "atelier.json").write_text(json.dumps({"base": "tiny-bert"}))


_DISTIL = {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 48, "max_position_embeddings": 64}
_ROBERTA = {**_SIZE, "type_vocab_size": 1}

MODELS = {
    "tiny-bert": ("feature-extraction", _saves(BertModel, BertConfig, **_SIZE)),
    "tiny-roberta": ("feature-extraction", _saves(RobertaModel, RobertaConfig, **_ROBERTA)),
    "tiny-judge": ("text-classification", _saves(BertForSequenceClassification, BertConfig, id2label=LABELS, **_SIZE)),
    "tiny-distil": (
        "text-classification", _saves(DistilBertForSequenceClassification, DistilBertConfig, id2label=LABELS, **_DISTIL)
    ),
    "tiny-roberta-judge": (
        "text-classification", _saves(RobertaForSequenceClassification, RobertaConfig, id2label=LABELS, **_ROBERTA)
    ),
    "tiny-adapter": ("text-classification", _adapter),
    "tiny-tagger": ("token-classification", _saves(BertForTokenClassification, BertConfig, id2label=TAGS, **_SIZE)),
}  # fmt: skip
