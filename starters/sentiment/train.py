"""Train the sentiment starter: `python -m starters.sentiment.train vaderSentiment-3.3.2.tar.gz`.

The file comes with `pip download --no-deps --no-binary :all: vaderSentiment==3.3.2`.
"""

import random
import sys
from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from starters.encoders import MINILM, Example, save, train, with_lora
from starters.sentiment.data import LABELS, rated
from starters.sentiment.evaluate import accuracy_table

_FOLDER = Path(__file__).parent / "model"
_ABOUT = {
    "title": "Sentiment starter",
    "licence": "Apache-2.0",
    "base": "minilm",
    "note": "Positive, neutral or negative, for English sentences. A small model: see its README for its figures.",
}


def main(sdist: Path) -> None:
    """Train on four fifths of the documents, save, and judge on the rest."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    tokenizer = AutoTokenizer.from_pretrained(MINILM)
    model = AutoModelForSequenceClassification.from_pretrained(
        MINILM, num_labels=3, id2label=dict(enumerate(LABELS)), label2id={name: n for n, name in enumerate(LABELS)}
    )
    rows = [each for each in rated(sdist) if not each.held_out]
    rows = random.Random(0).sample(rows, len(rows))  # else the texts of a batch would all be of one source
    tokens = tokenizer([each.text for each in rows], truncation=True, max_length=48)["input_ids"]
    examples = [Example(ids, row.label) for ids, row in zip(tokens, rows, strict=True)]
    model = with_lora(model, "SEQ_CLS", ["pooler", "classifier"])
    seconds = train(model, examples, epochs=4, rate=7e-4, weights=[1.0, 1.0, 1.0])
    print(f"{seconds:.0f} s of one processor")
    save(model, _FOLDER, _ABOUT)
    print(accuracy_table(sdist, _FOLDER))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
