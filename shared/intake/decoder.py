"""The parent's side: starts the child on one file, waits for it, and takes over what it made.

However the child ends, by its own word, by a bound or by a crash, there is one clear sentence and nothing is left.
"""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

from shared.errors import Invalid, TooMany
from shared.intake.caps import Caps
from shared.intake.formats import Format
from shared.intake.made import Made

log = logging.getLogger(__name__)

ROOT = Path(__file__).parents[2]

AT_ONCE = 2
"""Children at a time in one process: each may take a processor and its share of memory."""

_PATIENCE_S = 30
Answer = dict[str, dict[str, Any]]
"""`made` or `refused`, and what the child says of it."""

ROOTS = "roots.pem"
"""In the folder of one that looks at a file's origin: the root certificates that are ours."""

_KEPT = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "TZ", "LD_LIBRARY_PATH")
_MEDIA = {"picture": "image", "stream": "media", "text": "text", "archive": "archive"}

_SPARING = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
"""Keeps addresses that are set aside, and never used, within the bound of memory."""

_places = threading.BoundedSemaphore(AT_ONCE)


def decode(source: Path, form: Format, folder: Path, caps: Caps) -> Made:
    """Write a file from outside anew, into `folder`, under names that are ours.

    Raises:
        Invalid: it is not taken; the code and the sentence say why.
        TooMany: others are being decoded; nothing is lost by trying again.
    """
    return Made(**ask(form.way, form, source, folder, caps))


def members(source: Path, first: int, last: int, folder: Path, caps: Caps) -> dict[str, Any]:
    """What files number `first` to `last` of an archive are, written anew into `folder`: see `members.Members`.

    Raises:
        Invalid: the archive is refused; or the child came to its end over one of these files.
        TooMany: as `decode`.
    """
    return ask("members", Format("archive", f"{first}:{last}"), source, folder, caps)


def ask(way: str, form: Format, source: Path, folder: Path, caps: Caps) -> dict[str, Any]:
    """What the child makes of a file in one of its ways.

    Raises:
        Invalid, TooMany: as `decode`.
    """
    size, most = source.stat().st_size, _bytes(form, caps)
    if size > most:
        raise Invalid(
            f"The file has {size / 1e6:,.0f} MB; {most / 1e6:,.0f} MB are the most.",
            code="upload_too_large",
            field="file",
        )
    if not _places.acquire(timeout=_PATIENCE_S):
        raise TooMany("Other uploads are being looked at. Send it again in a moment.", code="busy", retry_after=10)
    try:
        answer = _run(way, source, form, folder, caps)
    finally:
        _places.release()
    if "refused" in answer:
        raise Invalid(answer["refused"]["sentence"], code=answer["refused"]["code"], field="file")
    return answer["made"]


def _run(way: str, source: Path, form: Format, folder: Path, caps: Caps) -> Answer:
    command = [
        sys.executable, "-B", "-s", "-m", "shared.intake",
        way, form.name, str(source.absolute()), str(folder.absolute()), json.dumps(asdict(caps)),
    ]  # fmt: skip
    # Nothing of ours goes along: no address of a database, no key.
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ} | _SPARING
    try:
        ended = subprocess.run(
            command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False,
            timeout=caps.wall_s, start_new_session=True,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return _too_much(form)
    if ended.returncode == 0:
        try:
            answer: Answer = json.loads(ended.stdout)
        except ValueError:
            answer = {}
        if answer:
            return answer
    log.warning("a decoder ended with %s: %s", ended.returncode, ended.stderr[-2000:].decode(errors="replace"))
    if -ended.returncode in {signal.SIGXCPU, signal.SIGALRM, signal.SIGKILL, signal.SIGXFSZ}:
        return _too_much(form)
    return _refused(f"unsupported_{_MEDIA[form.way]}", "The file cannot be read: it is damaged or made to do harm.")


def _bytes(form: Format, caps: Caps) -> int:
    if form.way == "stream":
        return max(caps.sound_bytes, caps.film_bytes)
    if form.way == "archive":
        return caps.archive_bytes
    return caps.picture_bytes if form.way == "picture" else caps.text_bytes


def _too_much(form: Format) -> Answer:
    return _refused(f"{_MEDIA[form.way]}_too_large", "The file takes more time or memory to open than it may.")


def _refused(code: str, sentence: str) -> Answer:
    return {"refused": {"code": code, "sentence": sentence}}
