"""The API call that a form would make: the same job as curl and as Python. The key is a variable, never the secret."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json

from shared import kinds
from shared.errors import Invalid
from web import forms
from web.written import Typed

KEY = "ATELIER_API_KEY"

_PYTHON = """\
import json
import os
import urllib.request

job = {job}
request = urllib.request.Request(
    {address},
    data=json.dumps(job).encode(),
    headers={{
        "Authorization": "Bearer " + os.environ["{key}"],
        "Content-Type": "application/json",
    }},
)
with urllib.request.urlopen(request) as answer:
    print(json.load(answer)["id"])
"""


@dataclass(frozen=True)
class ApiCall:
    """One request in two languages. `right`: the server would take it as it is."""

    curl: str
    python: str
    right: bool


def api_call(site_url: str, kind: str, typed: Typed) -> ApiCall:
    """The call that submits what is typed."""
    given = forms.params(kind, typed)
    try:
        checked = kinds.validate(kind, given, strict=False)
    except Invalid:
        params, right = _rough(kind, given), False
    else:
        # What is as the kind has it anyway is left out; the model is always named.
        params, right = checked.model_dump(mode="json", exclude_defaults=True), True
        model = getattr(checked, "model", None)
        params = ({"model": model} if model else {}) | params
    body = {"kind": kind, "params": params}
    address = f"{site_url.rstrip('/')}/api/jobs"
    return ApiCall(_curl(address, body), _python(address, body), right)


def _curl(address: str, body: Mapping[str, Any]) -> str:
    text = json.dumps(body, ensure_ascii=False, indent=2)
    return "\n".join(
        (
            f"curl {shlex.quote(address)} \\",
            f'  -H "Authorization: Bearer ${KEY}" \\',
            "  -H 'Content-Type: application/json' \\",
            f"  -d {shlex.quote(text)}",
        )
    )


def _python(address: str, body: Mapping[str, Any]) -> str:
    return _PYTHON.format(job=_literal(body), address=json.dumps(address), key=KEY).strip()


def _literal(value: Any, indent: int = 0) -> str:
    """A value as Python writes it, a line for each entry. A text in JSON is a text in Python."""
    inner, outer = " " * (indent + 4), " " * indent
    match value:
        case str():
            return json.dumps(value, ensure_ascii=False)
        case dict() if value:
            lines = [f"{inner}{_literal(name)}: {_literal(each, indent + 4)},\n" for name, each in value.items()]
            return "".join(("{\n", *lines, outer, "}"))
        case list() if any(isinstance(each, dict) for each in value):
            return "".join(("[\n", *(f"{inner}{_literal(each, indent + 4)},\n" for each in value), outer, "]"))
        case list():
            return f"[{', '.join(_literal(each) for each in value)}]"
        case _:
            return repr(value)


def _rough(kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Of a form that is not right yet: what is not as the kind has it anyway, a number as a number where it is one."""
    properties, numbers = kinds.schema(kind)["properties"], _numbers(kind)
    plain = {name: _number(value) if name in numbers else value for name, value in given.items()}
    return {name: value for name, value in plain.items() if name == "model" or value != properties[name].get("default")}


def _number(value: Any) -> Any:
    try:
        found = from_json(value)
    except ValueError:
        return value
    return found if isinstance(found, int | float) else value


def _numbers(kind: str) -> set[str]:
    """The fields that take numbers."""
    found = set()
    for name, prop in kinds.schema(kind)["properties"].items():
        if {each.get("type") for each in (prop, *prop.get("anyOf", ()))} & {"integer", "number"}:
            found.add(name)
    return found
