"""Tokens with a tag for each, in the scheme BIO: given so, or made of the spans of a text."""

from __future__ import annotations

import re
from typing import Any

from worker.engines.datasets.columns import SPANS, TAGS, Row, text_of
from worker.engines.datasets.problems import Wrong
from worker.engines.datasets.reading import TAG

_WORDS = re.compile(r"\w+|[^\w\s]")


def tagged(row: Row) -> Row:
    """Tokens and tags of a row. Raises Wrong."""
    if "tokens" not in row and "text" in row:
        return _from_spans(row)
    tokens = row.get("tokens")
    name = next((name for name in TAGS if name in row), "tags")
    tags = row.get(name)
    for column, value in (("tokens", tokens), (name, tags)):
        if value is None:
            raise Wrong("missing_field", f"The row has no “{column}”.", column)
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise Wrong("wrong_type", f"“{column}” must be a list of texts.", column, value)
    if len(tokens or ()) != len(tags or ()):
        told = f"There are {len(tokens or ())} tokens and {len(tags or ())} tags."
        raise Wrong("tags_not_tokens", told, name, tags)
    if not tokens:
        raise Wrong("empty_field", "There are no tokens.", "tokens")
    check_tags(tags or [], name)
    blank = next((index for index, token in enumerate(tokens) if not token.strip()), None)
    if blank is not None:
        raise Wrong("empty_field", "A token is empty.", "tokens", index=blank)
    return {"tokens": list(tokens), "tags": list(tags or ())}


def check_tags(tags: list[str], column: str) -> None:
    """Raises Wrong at the first tag that has no shape, or goes on with what did not begin."""
    before = "O"
    for index, tag in enumerate(tags):
        if not TAG.fullmatch(tag):
            raise Wrong("bad_tag", f"“{tag[:40]}” is no tag.", column, tag, index)
        if tag.startswith("I-") and before[2:] != tag[2:]:
            raise Wrong("tag_without_b", f"“{tag[:40]}” goes on with what no B- began.", column, tag, index)
        before = tag


def _from_spans(row: Row) -> Row:
    text = text_of(row, ("text",))
    name = next((name for name in SPANS if name in row), "spans")
    spans = row.get(name)
    if not isinstance(spans, list):
        raise Wrong("wrong_type" if name in row else "missing_field", f"“{name}” must be a list of spans.", name, spans)
    words = [(found.start(), found.end()) for found in _WORDS.finditer(text)]
    tags = ["O"] * len(words)
    for number, span in enumerate(spans):
        start, end, label = _span(span, f"{name}.{number}")
        inside = [index for index, (first, last) in enumerate(words) if first < end and last > start]
        if not inside or words[inside[0]][0] != start or words[inside[-1]][1] != end:
            raise Wrong("bad_span", "A span must begin and end with a word of the text.", f"{name}.{number}", span)
        if any(tags[index] != "O" for index in inside):
            raise Wrong("bad_span", "Two spans overlap.", f"{name}.{number}", span)
        tags[inside[0]] = f"B-{label}"
        for index in inside[1:]:
            tags[index] = f"I-{label}"
    return {"tokens": [text[first:last] for first, last in words], "tags": tags}


def _span(span: Any, column: str) -> tuple[int, int, str]:
    if isinstance(span, dict):
        span = [span.get("start"), span.get("end"), span.get("label", span.get("type"))]
    if not (isinstance(span, list) and len(span) == 3):
        raise Wrong("bad_span", "A span has a start, an end and a label.", column, span)
    start, end, label = span
    whole = type(start) is int and type(end) is int and isinstance(label, str)
    if not whole or not 0 <= start < end or not re.fullmatch(r"\S+", label):
        raise Wrong("bad_span", "A span has a start, a greater end, and a label without blanks.", column, span)
    return start, end, label
