"""Learners of labels: one for each text, or one for each word of a text."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from seqeval.metrics import classification_report as entity_report
from seqeval.metrics import f1_score, precision_score, recall_score
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from shared.errors import JobError
from worker.engines.encoders import batches
from worker.engines.training.descent import Descending, Descent, Moment
from worker.engines.training.heads import Headed
from worker.engines.training.plan import Heed
from worker.engines.training.state import State
from worker.engines.training.weights import put_weights, trained_weights

IGNORED = -100
"""The label of a token that counts for nothing; torch's cross-entropy knows it by this number."""


@dataclass(frozen=True)
class Marked:
    """An example: its tokens, the label of the text or one of each token, and what it is called."""

    tokens: list[int]
    labels: int | list[int]
    name: str


class _LabelLearner(ABC):
    """What learners of labels have in common: batches of about one length, cross-entropy, and one descent."""

    def __init__(self, headed: Headed, marked: Sequence[Marked], held: Sequence[Marked], how: Descending) -> None:
        self.headed, self.marked, self.held = headed, marked, held
        self.model = headed.model
        self.descent = Descent(self.model.parameters(), how)
        self.report: dict[str, Any] = {}

    @property
    def count(self) -> int:
        """Examples to learn from."""
        return len(self.marked)

    def learn(self, rows: Sequence[int], moment: Moment) -> Mapping[str, float]:
        """One step over these examples. Pieces of a batch are of about one length, so that little is padding."""
        self.model.train()
        rows = sorted(rows, key=lambda row: (-len(self.marked[row].tokens), row))
        return self.descent.step(rows, moment, self._loss, self._weigh)

    def evaluate(self, heed: Heed) -> Mapping[str, float]:
        """Judge the model on the held-out examples; the details go to `report`."""
        self.model.eval()
        said: list[torch.Tensor] = [torch.empty(0)] * len(self.held)
        total = weight = 0.0
        with torch.inference_mode():
            for group in batches([len(each.tokens) for each in self.held]):
                heed()
                some = [self.held[row] for row in group]
                logits = self._logits(some)
                total += self._cross_entropy(logits, some).item()
                weight += self._parts(some)
                for row, one in zip(group, logits, strict=True):
                    said[row] = one.argmax(-1).cpu()
        return {"validation_loss": total / max(weight, 1.0), **self._judge(said)}

    def show(self, folder: Path, heed: Heed) -> Path | None:  # noqa: ARG002 - figures say it all
        """Nothing: labels are judged by figures."""
        return None

    def name(self, row: int) -> str:
        """Where the example came from."""
        return self.marked[row].name

    def state(self) -> State:
        """The trained weights and the optimiser."""
        return {"model": trained_weights(self.model), "descent": self.descent.state()}

    def restore(self, state: State) -> None:
        """Both again."""
        put_weights(self.model, state["model"])
        self.descent.restore(state["descent"])

    def weights(self) -> State:
        """The trained weights."""
        return trained_weights(self.model)

    def take(self, weights: State) -> None:
        """Be that model."""
        put_weights(self.model, weights)

    @abstractmethod
    def _judge(self, said: Sequence[torch.Tensor]) -> Mapping[str, float]: ...

    @abstractmethod
    def _targets(self, some: Sequence[Marked], longest: int) -> torch.Tensor: ...

    def _loss(self, rows: Sequence[int]) -> torch.Tensor:
        some = [self.marked[row] for row in rows]
        return self._cross_entropy(self._logits(some), some)

    def _weigh(self, rows: Sequence[int]) -> float:
        return self._parts([self.marked[row] for row in rows])

    def _parts(self, some: Sequence[Marked]) -> float:
        labels = [each.labels for each in some]
        return float(sum(1 if isinstance(each, int) else sum(one != IGNORED for one in each) for each in labels))

    def _logits(self, some: Sequence[Marked]) -> torch.Tensor:
        padded = self.headed.tokenizer.pad(
            {"input_ids": [each.tokens for each in some]}, padding=True, padding_side="right", return_tensors="pt"
        )
        given = {name: padded[name].to(self.model.device) for name in ("input_ids", "attention_mask")}
        logits: torch.Tensor = self.model(**given).logits
        return logits

    def _cross_entropy(self, logits: torch.Tensor, some: Sequence[Marked]) -> torch.Tensor:
        targets = self._targets(some, logits.shape[1]).to(logits.device)
        return torch.nn.functional.cross_entropy(
            logits.flatten(0, -2).float(), targets.flatten(), ignore_index=IGNORED, reduction="sum"
        )


class TextLabels(_LabelLearner):
    """A label for each text."""

    def _targets(self, some: Sequence[Marked], longest: int) -> torch.Tensor:  # noqa: ARG002 - of texts, not tokens
        return torch.tensor([each.labels for each in some])

    def _judge(self, said: Sequence[torch.Tensor]) -> Mapping[str, float]:
        true, guessed = [each.labels for each in self.held], [int(each) for each in said]
        numbers = list(range(len(self.headed.labels)))
        each = precision_recall_fscore_support(true, guessed, labels=numbers, zero_division=0)
        macro = precision_recall_fscore_support(true, guessed, labels=numbers, average="macro", zero_division=0)
        self.report = {
            "labels": list(self.headed.labels),
            "confusion": confusion_matrix(true, guessed, labels=numbers).tolist(),
            "per_label": {
                label: {
                    "precision": round(float(each[0][n]), 4),
                    "recall": round(float(each[1][n]), 4),
                    "f1": round(float(each[2][n]), 4),
                    "rows": int(each[3][n]),
                }
                for n, label in enumerate(self.headed.labels)
            },
        }
        right = sum(a == b for a, b in zip(true, guessed, strict=True))
        return {"accuracy": right / len(true), "macro_f1": float(macro[2])}


class WordLabels(_LabelLearner):
    """A label for each word, given to its first token; the rest of its tokens count for nothing."""

    def _targets(self, some: Sequence[Marked], longest: int) -> torch.Tensor:
        rows = [each.labels if isinstance(each.labels, list) else [] for each in some]
        return torch.tensor([row + [IGNORED] * (longest - len(row)) for row in rows])

    def _judge(self, said: Sequence[torch.Tensor]) -> Mapping[str, float]:
        names = self.headed.labels
        true, guessed = [], []
        for each, tokens in zip(self.held, said, strict=True):
            labels = each.labels if isinstance(each.labels, list) else []
            places = [place for place, label in enumerate(labels) if label != IGNORED]
            true.append([names[labels[place]] for place in places])
            guessed.append([names[int(tokens[place])] for place in places])
        self.report = {"labels": list(names), "seqeval": entity_report(true, guessed, digits=4, zero_division=0)}
        return {
            "f1": float(f1_score(true, guessed, zero_division=0)),
            "precision": float(precision_score(true, guessed, zero_division=0)),
            "recall": float(recall_score(true, guessed, zero_division=0)),
        }


def marked_texts(headed: Headed, rows: Sequence[Mapping[str, Any]]) -> list[Marked]:
    """Rows of `text` and `label` as examples, their ends cut off where the model holds no more."""
    numbers = {label: number for number, label in enumerate(headed.labels)}
    tokens = headed.tokenizer([row["text"] for row in rows], truncation=True, max_length=headed.window)["input_ids"]
    return [Marked(list(ids), numbers[row["label"]], _named(row)) for ids, row in zip(tokens, rows, strict=True)]


def marked_words(headed: Headed, rows: Sequence[Mapping[str, Any]]) -> list[Marked]:
    """Rows of `tokens` (words) and `tags` as examples: a word's tag on its first token."""
    numbers = {label: number for number, label in enumerate(headed.labels)}
    read = headed.tokenizer(
        [row["tokens"] for row in rows], is_split_into_words=True, truncation=True, max_length=headed.window
    )
    found = []
    for number, row in enumerate(rows):
        labels, before = [], None
        for word in read.word_ids(number):
            labels.append(numbers[row["tags"][word]] if word is not None and word != before else IGNORED)
            before = word
        found.append(Marked(list(read["input_ids"][number]), labels, _named(row)))
    return found


def labels_of(rows: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The labels of texts in order of their names.

    Raises:
        JobError: there are fewer than two.
    """
    counts = Counter(str(row["label"]) for row in rows)
    if len(counts) < 2:
        raise JobError("one_label", "All rows have the same label; there is nothing to tell apart.", field="dataset")
    return tuple(sorted(counts))


def tags_of(rows: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The tags of words: O first, then each sort with its beginning and its inside, whether or not both occur.

    Raises:
        JobError: no word of any row is tagged.
    """
    sorts = sorted({tag[2:] for row in rows for tag in row["tags"] if tag[:2] in {"B-", "I-"}})
    if not sorts:
        raise JobError("one_label", "No word of any row is tagged; there is nothing to learn.", field="dataset")
    return ("O", *(f"{begin}-{sort}" for sort in sorts for begin in "BI"))


def _named(row: Mapping[str, Any]) -> str:
    return f"line {row['line']}" if "line" in row else "a row"
