"""Rows to train on out of what people said of results: pairs of answers, good answers, pictures with captions."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import islice, product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from worker.engines.datasets.reading import Record

if TYPE_CHECKING:
    from shared.feedback import Judged

#: Pairs of one prompt: of many good and many bad answers not all are needed.
_PAIRS = 8

#: What gives the file of a result, by the id of its artifact.
Files = Callable[[str], Path]


def preferences(judged: Sequence[Judged], files: Files) -> Iterator[Record]:
    """A pair of each edit and what it mends, and of good and bad answers to the same prompt."""
    good: dict[str, list[str]] = defaultdict(list)
    bad: dict[str, list[str]] = defaultdict(list)
    asked: dict[str, Any] = {}
    for each in _texts(judged):
        prompt, said = _asked(each), each.feedback
        key = json.dumps(prompt, sort_keys=True)
        asked[key] = prompt
        text = files(said.artifact_id).read_text("utf-8", "replace")
        if said.edit is not None and said.edit.strip() != text.strip():
            yield _record(said.artifact_id, {"prompt": prompt, "chosen": said.edit, "rejected": text})
        elif said.thumb is not None:
            (good if said.thumb == "up" else bad)[key].append(text)
    for key, chosen in good.items():
        for number, (better, worse) in enumerate(islice(product(chosen, bad[key]), _PAIRS)):
            yield _record(f"pair {number + 1}", {"prompt": asked[key], "chosen": better, "rejected": worse})


def answers(judged: Sequence[Judged], files: Files) -> Iterator[Record]:
    """What was mended as it should be, and what was good as it is, each with its prompt."""
    for each in _texts(judged):
        prompt, said = _asked(each), each.feedback
        if said.edit is None and said.thumb != "up":
            continue
        answer = said.edit if said.edit is not None else files(said.artifact_id).read_text("utf-8", "replace")
        last = prompt if isinstance(prompt, str) else prompt[-1]["content"]
        yield _record(said.artifact_id, {"prompt": last, "completion": answer})


def captions(judged: Sequence[Judged], files: Files, folder: Path) -> Iterator[Record]:
    """Pictures with what they show: the edit, or of a good one its prompt. Their files are copied to `folder`."""
    folder.mkdir(exist_ok=True)
    for each in judged:
        said, prompt = each.feedback, each.params.get("prompt")
        caption = said.edit or (prompt if said.thumb == "up" else None)
        if not each.media_type.startswith("image/") or not caption:
            continue
        path = files(said.artifact_id)
        content = hashlib.sha256(path.read_bytes()).digest()
        name = f"{content.hex()[:32]}{Path(each.name).suffix}"
        shutil.copyfile(path, folder / name)
        yield _record(said.artifact_id, {"file": f"files/{name}", "caption": caption, "_key": content})


def _texts(judged: Sequence[Judged]) -> Iterator[Judged]:
    return (each for each in judged if each.media_type.startswith("text/") and _asked(each))


def _asked(judged: Judged) -> Any:
    """The prompt, or the turns of a conversation."""
    return judged.params.get("prompt") or judged.params.get("messages")


def _record(place: str, row: dict[str, Any]) -> Record:
    return Record(place, row)
