"""The settings that a PNG carries in its text: our own record, or the lines that most image tools write.

The browser reads the same in static/js/picture.js.
"""

import json
import re
from typing import Any, BinaryIO

from PIL import Image

from shared.errors import Invalid
from web.pages.translation import _

RECORD, LINES = "atelier", "parameters"

_NAMES = {"Steps": "steps", "CFG scale": "guidance", "Seed": "seed", "Model": "model"}
_SETTING = re.compile(r"\s*([A-Za-z][\w /-]*):\s*([^,]*)(?:,|$)")


def settings(file: BinaryIO) -> dict[str, str]:
    """The settings in a PNG as a form has them, by name; `kind` is one of them.

    Raises:
        Invalid: it is no PNG, or has no settings.
    """
    texts = _texts(file)
    try:
        record = json.loads(texts.get(RECORD, ""))
    except (ValueError, RecursionError):
        record = None
    if isinstance(record, dict) and "prompt" in record:
        found = {name: _typed(value) for name, value in record.items() if isinstance(value, str | int | float)}
    elif LINES in texts:
        found = _from_lines(texts[LINES])
    else:
        found = {}
    if not found:
        raise Invalid(_("This picture has no settings in it. Other programs leave them out."), field="picture")
    return {"kind": "generate_image"} | {name: text.replace("\x00", "") for name, text in found.items()}


def _texts(file: BinaryIO) -> dict[str, str]:
    """The text chunks by keyword; the picture itself is not decoded.

    Raises:
        Invalid: it is no PNG.
    """
    try:
        with Image.open(file, formats=("PNG",)) as opened:
            return {str(name): text for name, text in opened.info.items() if isinstance(text, str)}
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise Invalid(
            _("This is no PNG. Choose a picture that was made here, as it was downloaded."), field="picture"
        ) from error


def _typed(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _from_lines(text: str) -> dict[str, str]:
    """The prompt, “Negative prompt: …”, and a last line of “Name: value, …”."""
    lines = text.strip().split("\n")
    last = dict(_SETTING.findall(lines[-1])) if "Steps:" in lines[-1] else {}
    prompt, _word, negative = "\n".join(lines[:-1] if last else lines).partition("Negative prompt:")
    found = {"prompt": prompt.strip(), "negative_prompt": negative.strip()}
    found |= {ours: last[theirs].strip() for theirs, ours in _NAMES.items() if theirs in last}
    size = re.fullmatch(r"(\d{1,5})x(\d{1,5})", last.get("Size", "").strip())
    if size:
        found |= {"width": size[1], "height": size[2]}
    return {name: value for name, value in found.items() if value} if found["prompt"] else {}
