"""What does not fit in a request, field by field, in sentences that a user can act on."""

from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from shared.errors import FieldError

MOST = 20
"""Wrong fields that an answer names; a body may have a hundred thousand."""

_SENTENCES = {
    "missing": "This is needed.",
    "extra_forbidden": "There is no such setting.",
    "greater_than_equal": "Must be {ge} or more.",
    "greater_than": "Must be more than {gt}.",
    "less_than_equal": "Must be {le} or less.",
    "less_than": "Must be less than {lt}.",
    "multiple_of": "Must be a multiple of {multiple_of}.",
    "literal_error": "Must be one of {expected}.",
    "string_type": "Must be text.",
    "string_too_short": "Write at least {min_length} character(s).",
    "string_too_long": "Must be {max_length} characters or fewer.",
    "string_pattern_mismatch": "Has characters that are not allowed here.",
    "too_short": "Needs at least {min_length} item(s).",
    "too_long": "May have {max_length} items at most.",
    "int_type": "Must be a whole number.",
    "int_parsing": "Must be a whole number.",
    "int_from_float": "Must be a whole number.",
    "int_parsing_size": "The number is too large.",
    "float_type": "Must be a number.",
    "float_parsing": "Must be a number.",
    "finite_number": "Must be a finite number.",
    "bool_type": "Must be true or false.",
    "bool_parsing": "Must be true or false.",
    "list_type": "Must be a list.",
    "model_type": "Must be an object with named values.",
    "dict_type": "Must be an object with named values.",
}


def field_errors(error: ValidationError) -> list[FieldError]:
    """The wrong fields, up to MOST, and what is wrong with each."""
    found = error.errors(include_url=False, include_input=False)
    return [_field_error(details) for details in found[:MOST]]


def sentence(error: FieldError) -> str:
    """One of them as a sentence that stands alone."""
    place = ", ".join(
        ([f"line {error['line']:,}"] if "line" in error else []) + [error["field"]] * bool(error["field"])
    )
    return f"{place}: {error['message']}" if place else error["message"]


def _field_error(details: ErrorDetails) -> FieldError:
    known, context = _SENTENCES.get(details["type"]), details.get("ctx", {})
    if details["type"] == "value_error":
        message = str(context.get("error", details["msg"]))
    elif known is not None:
        message = known.format(**{name: _plain(value) for name, value in context.items()})
    else:
        message = details["msg"].rstrip(".") + "."
    return {"field": ".".join(str(part)[:100] for part in details["loc"]), "message": message}


def _plain(value: Any) -> Any:
    """A bound as people write it: 2, not 2.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
