"""Judge the sentiment starter on held-out documents: `python -m starters.sentiment.evaluate VADER.tar.gz`."""

import sys
from collections import Counter
from pathlib import Path

import torch
from peft import PeftModel
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from starters.encoders import MINILM, inputs
from starters.sentiment.data import LABELS, rated

_BATCH = 32


def accuracy_table(sdist: Path, folder: Path) -> str:
    """A Markdown table: by source the rows, the share of the commonest label, and the accuracy."""
    config = AutoConfig.from_pretrained(folder)
    base = AutoModelForSequenceClassification.from_pretrained(MINILM, config=config)
    model = PeftModel.from_pretrained(base, folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(MINILM)
    rows = sorted((each for each in rated(sdist) if each.held_out), key=lambda each: len(each.text))
    said: list[int] = []
    for start in range(0, len(rows), _BATCH):
        texts = [row.text for row in rows[start : start + _BATCH]]
        tokens = tokenizer(texts, truncation=True, max_length=96)["input_ids"]
        with torch.inference_mode():
            said += model(**inputs(tokens)).logits.argmax(-1).tolist()
    pairs = [(row.source, row.label, guess) for row, guess in zip(rows, said, strict=True)]
    lines = ["| held out | rows | commonest | right | right of those that are not neutral |", "|---|---|---|---|---|"]
    for source in [*dict.fromkeys(sorted(row.source for row in rows)), "all"]:
        mine = [(truth, guess) for name, truth, guess in pairs if source in {name, "all"}]
        clear = [(truth, guess) for truth, guess in mine if truth != 1]
        figures = f"{_commonest(mine):.3f} | {_right(mine):.3f} | {_right(clear):.3f}"
        lines.append(f"| {source} | {len(mine)} | {figures} |")
    for number, label in enumerate(LABELS):
        of_label = [(truth, guess) for _, truth, guess in pairs if truth == number]
        lines.append(f"| recall of {label} | {len(of_label)} | | {_right(of_label):.3f} | |")
    return "\n".join(lines)


def _commonest(pairs: list[tuple[int, int]]) -> float:
    return Counter(truth for truth, _ in pairs).most_common(1)[0][1] / len(pairs)


def _right(pairs: list[tuple[int, int]]) -> float:
    return sum(truth == guess for truth, guess in pairs) / len(pairs)


if __name__ == "__main__":
    print(accuracy_table(Path(sys.argv[1]), Path(__file__).parent / "model"))
