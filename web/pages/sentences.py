"""What other modules say, in the reader's language: errors, notes of progress, reasons.

They say it in English, for the API, the log and the rows; a page finds the sentence again by its template in the
catalogue, "There is no device %(device)s here.", and takes the values over. What it does not find stays English.
"""

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import islice
from pathlib import Path

from babel.messages.mofile import read_mo
from markupsafe import Markup

from web.pages.translation import _, language

CONTEXT = "sentence"
"""The message context of these templates."""

MAX_LENGTH = 500
"""Characters; what is longer is no sentence of ours."""
MAX_ENDS = 8
"""Ends of sentences in a row that are tried."""

_MO = Path(__file__).parents[1] / "translations" / "zh_Hans" / "LC_MESSAGES" / "messages.mo"
_PLACEHOLDER = re.compile(r"%\((\w+)\)s")
_CHINESE = re.compile("[\u3400-\u9fff]")
_PLACE = re.compile(r"([\w.,\- ]{1,120}): (.+)", re.DOTALL)
_JOINTS = {" or ": "或", " and ": "和", ", ": "、"}
_SETTING = re.compile(r"(.{1,80}) ([\d.,]+)")
_END = re.compile(r"(?<=[.!?])\s+")


@dataclass(frozen=True)
class _Template:
    #: strictly, no value holds the end of a sentence; loosely, it may
    strict: re.Pattern[str]
    loose: re.Pattern[str]
    said: str
    #: values between quotation marks are somebody's own words, which are never translated
    quoted: frozenset[str]


def said(text: str) -> str:
    """The sentence in the reader's language; as it is, where it is not known."""
    return text if language() == "en" or not text else _found(text) or text


def shown(text: str | None) -> str | Markup:
    """The same for a template: what stays English is marked as such."""
    if not text:
        return ""
    told = said(text)
    if told != text or language() == "en" or _CHINESE.search(text) or not re.search("[A-Za-z]{2}", text):
        return told
    return Markup('<span lang="en">{}</span>').format(text)


@lru_cache(2000)
def _found(text: str) -> str:
    """A sentence, several in a row, or one behind the place that it is about; "" where a part is not known."""
    if len(text) > MAX_LENGTH:
        return ""
    told = _whole(text)
    place = None if told else _PLACE.fullmatch(text)
    if place is None:
        return told
    rest = _whole(place[2])
    return f"{place[1]}：{rest}" if rest else ""


def _whole(text: str) -> str:
    return _matched(text, strict=True) or _in_a_row(text) or _matched(text, strict=False)


def _in_a_row(text: str) -> str:
    for end in reversed(list(islice(_END.finditer(text), MAX_ENDS))):
        begun = _matched(text[: end.start()], strict=True)
        rest = _found(text[end.end() :]) if begun else ""
        if rest:
            return begun + rest
    return ""


def _matched(text: str, *, strict: bool) -> str:
    for template in _templates():
        match = (template.strict if strict else template.loose).fullmatch(text)
        if match is not None:
            values = match.groupdict()
            return template.said % {
                name: value if name in template.quoted else _value(value) for name, value in values.items()
            }
    return ""


def _value(text: str) -> str:
    """A value of a sentence: itself one, or several in a row of which every one is known; else as it is."""
    told = _found(text) or _setting(text)
    for joint, chinese in _JOINTS.items():
        if told or joint not in text:
            continue
        parts = [_found(each) or _setting(each) for each in text.split(joint)]
        told = chinese.join(parts) if all(parts) else ""
    return told or text


def _setting(text: str) -> str:
    """A field of a form and its number, "Width 512"."""
    match = _SETTING.fullmatch(text)
    title = _(match[1]) if match else ""
    return f"{title} {match[2]}" if match and title != match[1] else ""


@cache
def _templates() -> list[_Template]:
    """Those with the most text of their own first: they are the surest."""
    with _MO.open("rb") as file:
        # Babel reads a context as bytes.
        ours = [each for each in read_mo(file) if each.context in {CONTEXT, CONTEXT.encode()}]
    pairs = [(str(each.id), str(each.string)) for each in ours]
    pairs.sort(key=lambda pair: -len(_PLACEHOLDER.sub("", pair[0])))
    return [_template(*pair) for pair in pairs]


def _template(english: str, chinese: str) -> _Template:
    strict, loose, at, quoted = "", "", 0, set()
    for each in _PLACEHOLDER.finditer(english):
        before = english[at : each.start()].replace("%%", "%")
        strict += rf"{re.escape(before)}(?P<{each[1]}>(?:(?![.!?]\s).)*?[.!?]?)"
        loose += rf"{re.escape(before)}(?P<{each[1]}>.*?)"
        if before.endswith(("“", "'", "`")):
            quoted.add(each[1])
        at = each.end()
    rest = re.escape(english[at:].replace("%%", "%"))
    return _Template(re.compile(strict + rest, re.S), re.compile(loose + rest, re.S), chinese, frozenset(quoted))
