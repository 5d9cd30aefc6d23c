"""What other modules say, in the reader's language: errors, notes of progress, reasons.

They say it in English, for the API, the log and the rows; a page finds the sentence again by its template in the
catalogue, "There is no device %(device)s here.", and takes the values over. What it does not find stays English.
"""

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from babel.messages.mofile import read_mo
from markupsafe import Markup

from web.pages.translation import language

CONTEXT = "sentence"
"""The message context of these templates."""

MAX_LENGTH = 1000
"""Characters; what is longer is no sentence of ours."""

_MO = Path(__file__).parents[1] / "translations" / "zh_Hans" / "LC_MESSAGES" / "messages.mo"
_PLACEHOLDER = re.compile(r"%\((\w+)\)s")
_CHINESE = re.compile("[\u3400-\u9fff]")
_PLACE = re.compile(r"([\w.,\- ]{1,120}): (.+)", re.DOTALL)
_END = re.compile(r"(?<=[.!?])\s+")


@dataclass(frozen=True)
class _Template:
    pattern: re.Pattern[str]
    said: str
    #: values between quotation marks are somebody's own words, which are never translated
    quoted: frozenset[str]


def said(text: str) -> str:
    """The sentence in the reader's language; as it is, where it is not known."""
    return text if language() == "en" or not text else _found(text) or text


def shown(text: str) -> str | Markup:
    """The same for a template: what stays English is marked as such."""
    told = said(text)
    if told != text or language() == "en" or _CHINESE.search(text) or not re.search("[A-Za-z]{2}", text):
        return told
    return Markup('<span lang="en">{}</span>').format(text)


@lru_cache(2000)
def _found(text: str) -> str:
    """A sentence, several in a row, or one behind the place that it is about; "" where a part is not known."""
    if len(text) > MAX_LENGTH:
        return ""
    whole = _matched(text)
    if whole:
        return whole
    for end in reversed(list(_END.finditer(text))):
        begun = _matched(text[: end.start()])
        if begun:
            rest = _found(text[end.end() :])
            return begun + rest if rest else ""
    place = _PLACE.fullmatch(text)
    rest = _found(place[2]) if place else ""
    return f"{place[1]}：{rest}" if place and rest else ""


def _matched(text: str) -> str:
    for template in _templates():
        match = template.pattern.fullmatch(text)
        if match is not None:
            values = match.groupdict()
            return template.said % {
                name: value if name in template.quoted else _found(value) or value for name, value in values.items()
            }
    return ""


@cache
def _templates() -> list[_Template]:
    """Those with the most text of their own first: they are the surest."""
    with _MO.open("rb") as file:
        pairs = [(str(each.id), str(each.string)) for each in read_mo(file) if each.context == CONTEXT and each.string]
    pairs.sort(key=lambda pair: -len(_PLACEHOLDER.sub("", pair[0])))
    return [_template(*pair) for pair in pairs]


def _template(english: str, chinese: str) -> _Template:
    pattern, at, quoted = "", 0, set()
    for each in _PLACEHOLDER.finditer(english):
        before = english[at : each.start()].replace("%%", "%")
        pattern += f"{re.escape(before)}(?P<{each[1]}>.*?)"
        if before.endswith(("“", "'", "`")):
            quoted.add(each[1])
        at = each.end()
    pattern += re.escape(english[at:].replace("%%", "%"))
    return _Template(re.compile(pattern, re.DOTALL), chinese, frozenset(quoted))
