"""The one door to gettext, so that everything else is typed."""

import flask_babel


def _(text: str, **values: object) -> str:
    """`text` in the reader's language, with %(name)s replaced by values."""
    return str(flask_babel.gettext(text, **values))


def plural(one: str, many: str, number: int) -> str:
    """`one` or `many`, with %(num)s replaced by the number."""
    return str(flask_babel.ngettext(one, many, number))
