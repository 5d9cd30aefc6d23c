"""The one door to gettext, so that everything else is typed; and which language the reader has."""

from typing import Literal

import flask_babel  # type: ignore[import-untyped]  # has no type information; we annotate at our side of the door
from babel.support import NullTranslations
from flask import Flask, g, has_app_context, request

Language = Literal["en", "zh"]

COOKIE = "language"

NAMES: dict[Language, str] = {"en": "English", "zh": "中文"}
"""What each language calls itself."""

TAGS: dict[Language, str] = {"en": "en", "zh": "zh-Hans"}
"""What HTML calls it."""

_LOCALES: dict[Language, str] = {"en": "en", "zh": "zh_Hans"}
"""What Babel calls it, and the folder of its catalogue."""


def register(app: Flask) -> None:
    """Make gettext ready for this application's requests and templates."""
    flask_babel.Babel(app, locale_selector=lambda: _LOCALES[_chosen()])
    app.jinja_env.install_gettext_callables(  # type: ignore[attr-defined]  # of the extension that Babel adds
        lambda text: _translations().ugettext(text),
        lambda one, many, number: _translations().ungettext(one, many, number),
        newstyle=True,
    )


def _(text: str, **values: object) -> str:
    """`text` in the reader's language, with %(name)s replaced by values."""
    told = _translations().ugettext(text)
    return told % values if values else told


def plural(one: str, many: str, number: int) -> str:
    """`one` or `many`, with %(num)s replaced by the number."""
    return _translations().ungettext(one, many, number) % {"num": number}


def language() -> Language:
    """The reader's language."""
    locale = flask_babel.get_locale()
    return "zh" if locale is not None and locale.language == "zh" else "en"


def tag() -> str:
    """The reader's language as HTML calls it."""
    return TAGS[language()]


def _translations() -> NullTranslations:
    """The catalogue of this reader, found once a request: a page has hundreds of texts."""
    if not has_app_context():
        return NullTranslations()
    if "translations" not in g:
        g.translations = flask_babel.get_translations()
    return g.translations  # type: ignore[no-any-return]


def _chosen() -> Language:
    """What the reader chose, else the first language of the browser that there is."""
    chosen = request.cookies.get(COOKIE)
    for each in NAMES:
        if each == chosen:
            return each
    for accepted, quality in request.accept_languages:
        primary = accepted.lower().replace("_", "-").partition("-")[0]
        for each in NAMES:
            if each == primary and quality > 0:
                return each
    return "en"
