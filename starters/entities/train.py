"""Train the entities starter on sentences made from forms: `python -m starters.entities.train`."""

import random
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForTokenClassification, AutoTokenizer

from starters.encoders import MINILM, Example, save, train, with_lora
from starters.entities.sentences import LABELS, Sentence, sentences

_SENTENCES = 6_000

_FOLDER = Path(__file__).parent / "model"
_ABOUT = {
    "title": "Entities starter",
    "licence": "Apache-2.0",
    "base": "minilm",
    "note": "People, places and organisations in English sentences. A small model: see its README for its figures.",
}


def main() -> None:
    """Make sentences, train, save."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    tokenizer = AutoTokenizer.from_pretrained(MINILM)
    model = AutoModelForTokenClassification.from_pretrained(
        MINILM, num_labels=len(LABELS), id2label=dict(enumerate(LABELS)), label2id={x: n for n, x in enumerate(LABELS)}
    )
    examples = [_example(tokenizer, sentence) for sentence in sentences(_SENTENCES, random.Random(0))]
    model = with_lora(model, "TOKEN_CLS", ["classifier"])
    seconds = train(model, examples, epochs=4, rate=1e-3, weights=[1.0] * len(LABELS))
    print(f"{seconds:.0f} s of one processor")
    save(model, _FOLDER, _ABOUT)


def _example(tokenizer: Any, sentence: Sentence) -> Example:
    """The label of each word at its first token; its other tokens count for nothing."""
    read = tokenizer(sentence.text, truncation=True, max_length=64, return_offsets_mapping=True)
    labels, before = [], None
    for word, (start, end) in zip(read.word_ids(), read["offset_mapping"], strict=True):
        inside = next((name for name in sentence.names if name[0] <= start < name[1] and end > start), None)
        if word is None or word == before:
            labels.append(-100)
        elif inside is None:
            labels.append(0)
        else:
            labels.append(LABELS.index(("B-" if start == inside[0] else "I-") + inside[2]))
        before = word
    return Example(list(read["input_ids"]), labels)


if __name__ == "__main__":
    main()
