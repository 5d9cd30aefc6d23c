"""Learners of labels: one for each text, or one for each word of a text."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from seqeval.metrics import classification_report as entity_report
from seqeval.metrics import f1_score, precision_score, recall_score
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from shared.errors import JobError
from shared.library import ModelSource
from worker.engines.encoders import batches, resident_encoder
from worker.engines.loading import Models
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


class _Judge(ABC):
    """Judges a model by held-out examples. Also knows what a model says of examples, and how wrong that is."""

    def __init__(self, headed: Headed, held: Sequence[Marked]) -> None:
        self.headed, self.held = headed, held
        self.model = headed.model
        #: The details of the last evaluation.
        self.report: dict[str, Any] = {}

    def evaluate(self, heed: Heed) -> Mapping[str, float]:
        """The figures of the held-out examples; the details go to `report`. Nothing where none are held out."""
        if not self.held:
            return {}
        self.model.eval()
        said: list[torch.Tensor] = [torch.empty(0)] * len(self.held)
        total = weight = 0.0
        with torch.inference_mode():
            for group in batches([len(each.tokens) for each in self.held]):
                heed()
                some = [self.held[row] for row in group]
                logits = self._logits(some)
                total += self._cross_entropy(logits, some).item()
                weight += parts(some)
                for row, one in zip(group, logits, strict=True):
                    said[row] = one.argmax(-1).cpu()
        return {"validation_loss": total / max(weight, 1.0), **self._judge(said)}

    def loss(self, some: Sequence[Marked]) -> torch.Tensor:
        """The cross-entropy summed over all labels of these examples, a scalar."""
        return self._cross_entropy(self._logits(some), some)

    @abstractmethod
    def _judge(self, said: Sequence[torch.Tensor]) -> Mapping[str, float]: ...

    @abstractmethod
    def _targets(self, some: Sequence[Marked], longest: int) -> torch.Tensor: ...

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


class TextLabels(_Judge):
    """Judges a label for each text."""

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


class WordLabels(_Judge):
    """Judges a label for each word, given to its first token; the rest of its tokens count for nothing."""

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


class LabelLearner:
    """Learns to give labels: batches of about one length, cross-entropy, and one descent."""

    def __init__(self, judge: TextLabels | WordLabels, marked: Sequence[Marked], how: Descending) -> None:
        """`judge` has the model, and judges it."""
        self.judge, self.marked = judge, marked
        self.evaluate, self._model = judge.evaluate, judge.model
        self.descent = Descent(judge.model.parameters(), how)

    @property
    def count(self) -> int:
        """Examples to learn from."""
        return len(self.marked)

    def learn(self, rows: Sequence[int], moment: Moment) -> Mapping[str, float]:
        """One step over these examples. Pieces of a batch are of about one length, so that little is padding."""
        self._model.train()
        rows = sorted(rows, key=lambda row: (-len(self.marked[row].tokens), row))
        return self.descent.step(
            rows,
            moment,
            lambda some: self.judge.loss([self.marked[row] for row in some]),
            lambda some: parts([self.marked[row] for row in some]),
        )

    def show(self, folder: Path, heed: Heed) -> Path | None:  # noqa: ARG002 - figures say it all
        """Nothing: labels are judged by figures."""
        return None

    def name(self, row: int) -> str:
        """Where the example came from."""
        return self.marked[row].name

    def state(self) -> State:
        """The trained weights and the optimiser."""
        return {"model": trained_weights(self._model), "descent": self.descent.state()}

    def restore(self, state: State) -> None:
        """Both again."""
        put_weights(self._model, state["model"])
        self.descent.restore(state["descent"])

    def weights(self) -> State:
        """The trained weights."""
        return trained_weights(self._model)

    def take(self, weights: State) -> None:
        """Be that model."""
        put_weights(self._model, weights)


def standing(source: ModelSource, headed: Headed, models: Models) -> Headed | None:
    """A model of the library as what can be judged by the same rows as `headed`; None where it has other labels."""
    _, encoder = resident_encoder(source, models)
    if set(encoder.labels) != set(headed.labels):
        return None
    window = min(encoder.window, headed.window)
    return replace(headed, model=encoder.model, tokenizer=encoder.tokenizer, labels=encoder.labels, window=window)


def parts(some: Sequence[Marked]) -> float:
    """Labels of these examples that count."""
    labels = [each.labels for each in some]
    return float(sum(1 if isinstance(each, int) else sum(one != IGNORED for one in each) for each in labels))


def marked_texts(headed: Headed, rows: Sequence[Mapping[str, Any]]) -> list[Marked]:
    """Rows of `text` and `label` as examples, their ends cut off where the model holds no more.

    Raises:
        JobError: a row has a label that the model does not know.
    """
    numbers = {label: number for number, label in enumerate(headed.labels)}
    _check_known(numbers, {str(row["label"]) for row in rows})
    if not rows:
        return []
    tokens = headed.tokenizer([row["text"] for row in rows], truncation=True, max_length=headed.window)["input_ids"]
    return [Marked(list(ids), numbers[row["label"]], _named(row)) for ids, row in zip(tokens, rows, strict=True)]


def marked_words(headed: Headed, rows: Sequence[Mapping[str, Any]]) -> list[Marked]:
    """Rows of `tokens` (words) and `tags` as examples: a word's tag on its first token.

    Raises:
        JobError: a row has a tag that the model does not know.
    """
    numbers = {label: number for number, label in enumerate(headed.labels)}
    _check_known(numbers, {tag for row in rows for tag in row["tags"]})
    if not rows:
        return []
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


def _check_known(known: Mapping[str, int], labels: set[str]) -> None:
    """Only a regression set can have others than the rows that the model was made for."""
    if strange := sorted(labels - known.keys()):
        sentence = f"The regression set has a label that the dataset does not have: {strange[0]}."
        raise JobError("unknown_label", sentence, field="regression")


def _named(row: Mapping[str, Any]) -> str:
    return f"line {row['line']}" if "line" in row else "a row"
