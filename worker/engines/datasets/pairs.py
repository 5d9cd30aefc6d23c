"""Pairs of answers of which one is preferred: as texts, as whole conversations, or as Anthropic wrote theirs."""

from __future__ import annotations

from typing import Any

from worker.engines.datasets.columns import QUESTION, Row, text_of
from worker.engines.datasets.messages import check_turns, messages_of
from worker.engines.datasets.problems import Wrong

_TURN = "\n\nAssistant:"


def pair(row: Row) -> Row:
    """A question with the chosen and the rejected answer. Raises Wrong."""
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
