"""The formats of a dataset: which one some rows have, and a row of each made into its one canonical form.

What is taken: OpenAI's chat messages, ShareGPT's conversations, Alpaca's instructions, prompt and completion, labelled
texts, preference pairs (texts or whole conversations), entity tags (tokens and tags, or spans of a text), plain texts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from worker.engines.datasets.columns import (
    ANSWER,
    CAPTION,
    LABEL,
    QUESTION,
    SPANS,
    TAGS,
    TEXT,
    TRANSCRIPT,
    Row,
    label_of,
    text_of,
)
from worker.engines.datasets.messages import check_turns, messages_of
from worker.engines.datasets.pairs import pair
from worker.engines.datasets.problems import Wrong
from worker.engines.datasets.reading import Record
from worker.engines.datasets.tags import tagged

#: Rows that are looked at to tell the format.
SAMPLE = 100

_REASONS = {
    "messages": "have messages with roles",
    "sharegpt": "have conversations as ShareGPT has them",
    "pairs": "have a chosen and a rejected answer",
    "tagged": "have tokens with a tag for each",
    "spans": "have a text with spans",
    "alpaca": "have an instruction and an output, as Alpaca has them",
    "answered": "have a prompt and its completion",
    "labelled": "have a text and a label",
    "plain": "have a text",
}
"""Why rows are taken for what they are: each ends the sentence that tells it."""


def detect(records: Iterable[Record]) -> tuple[str, str]:
    """The format that most of these rows have, and a sentence that says why it is taken for that.

    Raises:
        Wrong: they have none.
    """
    votes: Counter[tuple[str, str]] = Counter()
    names: list[str] = []
    for record in records:
        if record.value is not None:
            names = names or [str(name) for name in record.value]
            found = _format_of(record.value)
            if found is not None:
                votes[found] += 1
    if not votes:
        there = ", ".join(f"“{name[:40]}”" for name in names[:12]) or "nothing that can be read"
        raise Wrong(
            "missing_field",
            f"No format fits these rows: they have {there}. Name the columns text, text and label, prompt and "
            "completion, messages, prompt, chosen and rejected, or tokens and tags; or choose the format.",
        )
    (format_, reason), count = votes.most_common(1)[0]
    return format_, f"{count} of the first {sum(votes.values())} rows {reason}."


def _format_of(row: Mapping[str, Any]) -> tuple[str, str] | None:
    """In this order, for a row may have the columns of several."""

    def having(names: Iterable[str]) -> str | None:
        return next((name for name in names if name in row), None)

    if isinstance(row.get("messages"), list):
        return "chat", _REASONS["messages"]
    if isinstance(row.get("conversations", row.get("conversation")), list):
        return "chat", _REASONS["sharegpt"]
    if "chosen" in row and "rejected" in row:
        return "preference", _REASONS["pairs"]
    if "tokens" in row and having(TAGS):
        return "entities", _REASONS["tagged"]
    if "text" in row and isinstance(row.get(having(SPANS) or ""), list):
        return "entities", _REASONS["spans"]
    if "instruction" in row and having(ANSWER):
        return "prompt", _REASONS["alpaca"]
    question, answer = having(QUESTION), having(ANSWER)
    if question and answer and question != answer:
        return "prompt", _REASONS["answered"]
    text, label = having(TEXT), having(LABEL)
    if text and label:
        return "labelled", _REASONS["labelled"]
    return ("text", _REASONS["plain"]) if text else None


def canonical(format_: str, record: Record) -> Row:
    """A row in the one form that its format has.

    Raises:
        Wrong: it cannot be used.
    """
    assert record.value is not None
    return _MAKERS[format_](record.value)


def _plain(row: Row) -> Row:
    return {"text": text_of(row, TEXT)}


def _labelled(row: Row) -> Row:
    return {"text": text_of(row, TEXT), "label": label_of(row)}


def _prompt(row: Row) -> Row:
    if "instruction" in row:
        asked = text_of(row, ("instruction",))
        more = row.get("input")
        if more is not None and not isinstance(more, str):
            raise Wrong("wrong_type", "“input” must be text.", "input", more)
        if more and more.strip():
            asked = f"{asked}\n\n{more}"
        return {"prompt": asked, "completion": text_of(row, ANSWER)}
    return {"prompt": text_of(row, QUESTION), "completion": text_of(row, ANSWER)}


def _chat(row: Row) -> Row:
    column = next((name for name in ("messages", "conversations", "conversation") if name in row), "messages")
    messages = messages_of(row.get(column), column)
    if isinstance(row.get("system"), str) and row["system"].strip() and messages[0]["role"] != "system":
        messages = [{"role": "system", "content": row["system"]}, *messages]
    check_turns(messages, column)
    if not any(each["role"] == "assistant" for each in messages):
        raise Wrong("no_answer", "The conversation has no answer of the assistant.", column)
    return {"messages": messages}


def _described(column: str, names: tuple[str, ...]) -> Callable[[Row], Row]:
    """Of a file and a text for it; the file is named already as it lies in the dataset."""
    return lambda row: {"file": row["file"], column: text_of(row, names)}


def _classed(row: Row) -> Row:
    return {"file": row["file"], "label": label_of(row)}


_MAKERS: dict[str, Callable[[Row], Row]] = {
    "text": _plain,
    "labelled": _labelled,
    "prompt": _prompt,
    "chat": _chat,
    "preference": pair,
    "entities": tagged,
    "captioned": _described("caption", CAPTION),
    "classed": _classed,
    "transcribed": _described("text", TRANSCRIPT),
}
