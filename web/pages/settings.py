"""The settings of a job as its readers see them: by their titles, in the order of the form."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared import kinds
from shared.errors import NotFound
from web import written
from web.pages.translation import _
from web.pages.wording import english_label, word


@dataclass(frozen=True)
class Setting:
    """One param: its name, its title, and its value in words."""

    name: str
    title: str
    words: str


def settings(kind: str, given: Mapping[str, Any]) -> list[Setting]:
    """These params; those that say nothing are left out, and those that the kind does not know come last."""
    try:
        properties = kinds.schema(kind)["properties"]
    except NotFound:
        properties = {}
    names = [name for name in properties if name in given] + [name for name in given if name not in properties]
    return [
        Setting(
            name,
            properties.get(name, {}).get("title", english_label(name)),
            _words(given[name], properties.get(name, {})),
        )
        for name in names
        if given[name] not in (None, "", [])
    ]


def _in_a_row(each: Any) -> str:
    """One of several: a turn of a conversation, an adapter with its weight, or a text."""
    match each:
        case {"role": role, "content": content}:
            return _("%(name)s: %(value)s", name=word(role), value=content)
        case {"model": model, **rest}:
            return f"{model} × {rest['weight']:g}" if "weight" in rest else str(model)
    return repr(each)


def _words(value: Any, prop: Mapping[str, Any]) -> str:
    """A param as a reader sees it."""
    if isinstance(value, str) and value in prop.get("enum", ()):
        return word(written.choice(prop, value))
    if isinstance(value, bool):
        return _("on") if value else _("off")
    if isinstance(value, dict) and "from" in value:
        return _("from the step “%(step)s”", step=value["from"])
    if isinstance(value, dict):
        return "\n".join(_("%(name)s: %(value)s", name=name, value=_words(each, {})) for name, each in value.items())
    if isinstance(value, list):
        return "\n".join(_in_a_row(each) for each in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
