"""The messages of a conversation, of whatever names they had."""

from __future__ import annotations

from typing import Any

from worker.engines.datasets.problems import Wrong

_ROLES = {
    "system": "system", "user": "user", "assistant": "assistant",
    "human": "user", "gpt": "assistant", "bot": "assistant", "model": "assistant", "developer": "system",
}  # fmt: skip


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
