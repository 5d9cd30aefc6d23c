"""The columns of a row as people name them, and their values with a fault for each that cannot be used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from worker.engines.datasets.problems import Wrong

Row = dict[str, Any]

#: Names that people give to the same column, the usual first.
TEXT = ("text", "sentence", "content", "document", "review", "tweet")
LABEL = ("label", "class", "category", "sentiment", "intent", "target")
QUESTION = ("prompt", "question", "instruction", "input", "query")
ANSWER = ("completion", "response", "answer", "output", "target")
TAGS = ("tags", "ner_tags", "labels")
SPANS = ("spans", "entities")
CAPTION = ("caption", "text", "description", "prompt")
TRANSCRIPT = ("text", "transcript", "transcription", "sentence")
FILE = ("file_name", "file", "image", "audio", "path", "filename")


def label_of(row: Row) -> str:
    """The label of a row, as text."""
    name = next((name for name in LABEL if name in row), None)
    if name is None:
        raise Wrong("missing_field", "The row has no label.", "label")
    value = row[name]
    if isinstance(value, bool | int):
        return str(value).lower()
    if not isinstance(value, str):
        raise Wrong("wrong_type", "A label must be one text or whole number.", name, value)
    if not value.strip():
        raise Wrong("empty_field", "The label is empty.", name)
    return value.strip()


def text_of(row: Mapping[str, Any], names: Iterable[str]) -> str:
    """The first of these columns that a row has.

    Raises:
        Wrong: it has none, or what is there is no text, or is blank.
    """
    names = tuple(names)
    name = next((name for name in names if name in row), None)
    if name is None or row[name] is None:
        raise Wrong("missing_field", f"The row has no “{name or names[0]}”.", name or names[0])
    value = row[name]
    if not isinstance(value, str):
        raise Wrong("wrong_type", f"“{name}” must be text.", name, value)
    if not value.strip():
        raise Wrong("empty_field", f"“{name}” is empty.", name)
    return value
