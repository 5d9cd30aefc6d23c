"""The one door to gettext, so that everything else is typed."""

from typing import Literal

import flask_babel  # type: ignore[import-untyped]  # has no type information; we annotate at our side of the door
from flask import Flask


def register(app: Flask) -> None:
    """Make gettext ready for this application's requests and templates."""
    flask_babel.Babel(app)


def _(text: str, **values: object) -> str:
    """`text` in the reader's language, with %(name)s replaced by values."""
    return str(flask_babel.gettext(text, **values))


def plural(one: str, many: str, number: int) -> str:
    """`one` or `many`, with %(num)s replaced by the number."""
    return str(flask_babel.ngettext(one, many, number))


def language() -> Literal["en", "zh"]:
    """The reader's language, of those that sentences about cron are written in."""
    locale = flask_babel.get_locale()
    return "zh" if locale is not None and locale.language == "zh" else "en"
