"""The catalogue of messages. `python -m web.catalogue` brings it up to date and says what still has no translation.

It finds all that there is to translate, adds it to each language's .po (takes away what is gone), and compiles the .mo.
Both are part of the repository, so that neither running nor testing needs this command. See docs/translating.md.
"""

import re
import sys
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from web import extraction

LANGUAGES = ("zh_Hans",)
"""The languages beside English, as Babel calls them."""

_FOLDER = Path(__file__).parent / "translations"
_PLACEHOLDER = re.compile(r"%\((\w+)\)s")


def po_path(language: str) -> Path:
    """Where people write translations."""
    return _FOLDER / language / "LC_MESSAGES" / "messages.po"


def mo_path(language: str) -> Path:
    """What gettext reads."""
    return po_path(language).with_suffix(".mo")


def read(language: str) -> Catalog:
    """The catalogue of a language as it stands; an empty one where there is none."""
    path = po_path(language)
    if not path.exists():
        return Catalog(
            locale=language, header_comment=f"# Atelier in {language}. See docs/translating.md.", fuzzy=False
        )
    with path.open("rb") as file:
        return read_po(file, locale=language)


def updated(catalog: Catalog, template: Catalog) -> Catalog:
    """The catalogue with what is new in the template and without what is gone; nothing is guessed."""
    catalog.update(template, no_fuzzy_matching=True, update_creation_date=False)
    return catalog


def po(catalog: Catalog) -> bytes:
    """The text of a catalogue; the same for the same messages, wherever in a file they stand."""
    buffer = BytesIO()
    write_po(buffer, catalog, width=120, ignore_obsolete=True, sort_by_file=True, include_lineno=False)
    return buffer.getvalue()


def mo(catalog: Catalog) -> bytes:
    """The compiled catalogue."""
    buffer = BytesIO()
    write_mo(buffer, catalog)
    return buffer.getvalue()


def faults(catalog: Catalog) -> list[str]:
    """What is wrong with it: messages without a translation, or with other placeholders than the English has."""
    return [f"{told}: {message.id!r}" for message in catalog if message.id and (told := _fault(message))]


def _fault(message: Message) -> str:
    asked, said = _forms(message.id), _forms(message.string)
    if message.fuzzy or not all(said):
        return "not translated"
    wanted = set[str]().union(*(_PLACEHOLDER.findall(text) for text in asked))
    if any(set(_PLACEHOLDER.findall(text)) != wanted for text in said):
        return "other placeholders"
    return ""


def _forms(text: str | Sequence[str] | None) -> Sequence[str]:
    """The forms of a message: several where it has a plural."""
    return [text] if isinstance(text, str) else text or [""]


def main() -> int:
    """Bring the files up to date."""
    template, wrong = extraction.extracted(), 0
    for language in LANGUAGES:
        catalog = updated(read(language), template)
        po_path(language).parent.mkdir(parents=True, exist_ok=True)
        po_path(language).write_bytes(po(catalog))
        # Read again, so that the .mo is that of the .po to the byte.
        mo_path(language).write_bytes(mo(read(language)))
        found = faults(catalog)
        wrong += len(found)
        sys.stdout.write("".join(f"{language}: {each}\n" for each in found))
        sys.stdout.write(f"{language}: {len(catalog)} messages, {len(found)} to be mended\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
