"""The formats of a dataset: which one some rows have, and a row of each made into its one canonical form.

What is taken: OpenAI's chat messages, ShareGPT's conversations, Alpaca's instructions, prompt and completion, labelled
texts, preference pairs (texts or whole conversations), entity tags (tokens and tags, or spans of a text), plain texts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from worker.engines.datasets.problems import Wrong
from worker.engines.datasets.reading import TAG, Record

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

#: Rows that are looked at to tell the format.
SAMPLE = 100

_ROLES = {
    "system": "system", "user": "user", "assistant": "assistant",
    "human": "user", "gpt": "assistant", "bot": "assistant", "model": "assistant", "developer": "system",
}  # fmt: skip
_WORDS = re.compile(r"\w+|[^\w\s]")
_TURN = "\n\nAssistant:"


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
        return "chat", "have messages with roles"
    if isinstance(row.get("conversations", row.get("conversation")), list):
        return "chat", "have conversations as ShareGPT has them"
    if "chosen" in row and "rejected" in row:
        return "preference", "have a chosen and a rejected answer"
    if "tokens" in row and having(TAGS):
        return "entities", "have tokens with a tag for each"
    if "text" in row and isinstance(row.get(having(SPANS) or ""), list):
        return "entities", "have a text with spans"
    if "instruction" in row and having(ANSWER):
        return "prompt", "have an instruction and an output, as Alpaca has them"
    question, answer = having(QUESTION), having(ANSWER)
    if question and answer and question != answer:
        return "prompt", f"have “{question}” and “{answer}”"
    text, label = having(TEXT), having(LABEL)
    if text and label:
        return "labelled", f"have “{text}” and “{label}”"
    return ("text", f"have “{text}”") if text else None


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


def messages_of(value: Any, column: str) -> list[dict[str, str]]:
    """Messages with role and content, of whatever names they had."""
    if value is None:
        raise Wrong("missing_field", f"The row has no “{column}”.", column)
    if not isinstance(value, list):
        raise Wrong("wrong_type", f"“{column}” must be a list of messages.", column, value)
    if not value:
        raise Wrong("empty_field", f"“{column}” has no messages.", column)
    return [_message(each, f"{column}.{number}") for number, each in enumerate(value)]


def _message(value: Any, column: str) -> dict[str, str]:
    if not isinstance(value, dict):
        raise Wrong("wrong_type", "A message must have a role and a content.", column, value)
    role = value.get("role", value.get("from"))
    if role is None:
        raise Wrong("missing_field", "The message has no role.", f"{column}.role")
    if not isinstance(role, str) or role.lower() not in _ROLES:
        raise Wrong("unknown_role", f"“{str(role)[:40]}” is no role of a conversation.", f"{column}.role", role)
    content = value.get("content", value.get("value"))
    if isinstance(content, list) and all(isinstance(part, dict) and part.get("type") == "text" for part in content):
        content = "".join(str(part.get("text", "")) for part in content)
    if content is None:
        raise Wrong("missing_field", "The message has no content.", f"{column}.content")
    if not isinstance(content, str):
        raise Wrong("wrong_type", "The content of a message must be text.", f"{column}.content", content)
    if not content.strip():
        raise Wrong("empty_field", "The content of the message is empty.", f"{column}.content")
    return {"role": _ROLES[role.lower()], "content": content}


def check_turns(messages: list[dict[str, str]], column: str) -> None:
    """Raises Wrong where user and assistant do not take turns."""
    wanted = "user"
    for number, each in enumerate(messages):
        if number == 0 and each["role"] == "system":
            continue
        if each["role"] != wanted:
            told = f"Message {number + 1} is of “{each['role']}” where “{wanted}” is next."
            raise Wrong("roles_not_alternating", told, f"{column}.{number}.role", each["role"])
        wanted = "assistant" if wanted == "user" else "user"


def _preference(row: Row) -> Row:
    for name in ("chosen", "rejected"):
        if row.get(name) is None:
            raise Wrong("missing_field", f"The row has no “{name}”.", name)
    if isinstance(row["chosen"], list) or isinstance(row["rejected"], list):
        found = _conversations(row)
    else:
        found = _answers(row)
    if found["chosen"].strip() == found["rejected"].strip():
        raise Wrong("same_answers", "The chosen and the rejected answer are the same.", "rejected", found["rejected"])
    return found


def _answers(row: Row) -> Row:
    chosen, rejected = text_of(row, ("chosen",)), text_of(row, ("rejected",))
    prompt = next((row[name] for name in QUESTION if row.get(name) is not None), None)
    if isinstance(prompt, list):
        asked = messages_of(prompt, "prompt")
        check_turns(asked, "prompt")
        return {"prompt": asked, "chosen": chosen, "rejected": rejected}
    if prompt is None and _TURN in chosen and _TURN in rejected:
        # As Anthropic's pairs are written: the whole conversation twice, but for the last answer.
        asked_in, other = (text.rpartition(_TURN) for text in (chosen, rejected))
        if asked_in[0] != other[0]:
            raise Wrong("wrong_type", "The two conversations differ before their last answer.", "rejected")
        return {"prompt": asked_in[0] + _TURN, "chosen": asked_in[2].strip(), "rejected": other[2].strip()}
    return {"prompt": text_of(row, QUESTION), "chosen": chosen, "rejected": rejected}


def _conversations(row: Row) -> Row:
    """Chosen and rejected as lists of messages: with the prompt before them, or in them both."""
    sides = {name: messages_of(row[name], name) for name in ("chosen", "rejected")}
    asked: Any = row.get("prompt")
    if isinstance(asked, list):
        asked = messages_of(asked, "prompt")
    else:
        asked = [{"role": "user", "content": asked}] if isinstance(asked, str) and asked.strip() else []
    answers = {}
    for name, messages in sides.items():
        *before, last = messages
        if last["role"] != "assistant":
            raise Wrong("no_answer", f"“{name}” does not end with an answer of the assistant.", name)
        answers[name] = last["content"]
        if len(before) >= len(asked):
            if name == "rejected" and before != asked:
                raise Wrong("wrong_type", "The two conversations differ before their last answer.", "rejected")
            asked = before or asked
    if not asked:
        raise Wrong("missing_field", "There is no question before the two answers.", "prompt")
    check_turns(asked, "prompt")
    return {"prompt": asked, **answers}


def _entities(row: Row) -> Row:
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
    "preference": _preference,
    "entities": _entities,
    "captioned": _described("caption", CAPTION),
    "classed": _classed,
    "transcribed": _described("text", TRANSCRIPT),
}
