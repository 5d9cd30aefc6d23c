"""What is done with every work before its owner gets it: filtered, marked, labelled, signed.

A kind hands over what it made; what becomes of it here is the job's choice where no administrator has fixed it. The
content of everything that a job makes is hashed before label and signature, so that it can be told again without them.
"""

from __future__ import annotations

import json
import logging
import wave
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from shared import credentials, labels, xmp
from shared.contents import content_hash
from shared.credentials import Signatory
from shared.errors import JobError
from shared.job import Role
from shared.kinds.params import Creation, Params
from shared.signing import SigningKey
from worker.finishing import marks
from worker.finishing.words import BUILT_IN, WordFilter

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.library import ModelSource
    from shared.settings import Settings, Switch
    from worker.finishing.safety import PictureFilter

log = logging.getLogger(__name__)

_WITHHELD = "[Withheld by the safety filter.]"

_WRITTEN = ("text/plain", "text/markdown", "text/vtt", "application/json", "application/x-subrip")


class Workplace(Protocol):
    """What an attempt offers to those who finish its works."""

    @property
    def job_id(self) -> str:
        """The job, which a label names."""

    def source(self, name: str) -> ModelSource:
        """A library model that is a tool here, not what the job was made with."""

    def resident(self, key: str, load: Callable[[], Any], size: int | None = None) -> Any:
        """What `load` returns, kept in memory between jobs."""


@dataclass(frozen=True)
class Finished:
    """What was done with a file: facts for its owner, and the hash of its content."""

    meta: dict[str, Any] = field(default_factory=dict)
    content: str | None = None


class Finisher:
    """Finishes the works of one worker process, by the rules of the installation."""

    def __init__(self, settings: Settings, key: SigningKey) -> None:
        self._settings = settings
        self._key = key

    def finish(
        self, path: Path, role: Role, media_type: str, params: Params, place: Workplace, statement: dict[str, Any]
    ) -> Finished:
        """Finish a file in place. `statement` is what its credentials say of how it was made."""
        meta: dict[str, Any] = {}
        wanted = params if role in {"output", "preview"} and isinstance(params, Creation) else None
        if wanted and self._on("safety_filter", wanted):
            meta |= self._filter(path, media_type, wanted, place)
        if role != "output":
            return Finished(meta)
        if wanted and self._on("visible_mark", wanted):
            _mark(path, media_type, wanted)
        content = _hash(path, media_type)
        if wanted and self._on("content_credentials", wanted):
            self._sign(path, media_type, place, statement)
        return Finished(meta, content)

    def _on(self, switch: str, params: Creation) -> bool:
        fixed: Switch = getattr(self._settings, switch)
        return bool(getattr(params, switch)) if fixed == "choice" else fixed == "on"

    # ---- the safety filter ----

    def _filter(self, path: Path, media_type: str, params: Creation, place: Workplace) -> dict[str, Any]:
        if media_type.startswith("image/") or media_type == "video/mp4":
            return self._filter_picture(path, media_type, place)
        if media_type.split(";")[0] in _WRITTEN and params.output != "code":
            return self._withhold(path, media_type, place) or self._mask(path)
        return {}

    def _filter_picture(self, path: Path, media_type: str, place: Workplace) -> dict[str, Any]:
        # It brings torch, which a worker that makes no pictures need not load.
        from worker.finishing.safety import blurred  # noqa: PLC0415 - see above

        judge = self._judge(place)
        if judge is None:
            return {}
        if media_type == "video/mp4":
            from worker.finishing import films  # noqa: PLC0415 - as above

            score = films.worst(path, judge.score)
            if score >= self._settings.safety_threshold:
                films.rewrite(path, blurred)
        else:
            with Image.open(path) as image:
                score = judge.score(image)
                if score >= self._settings.safety_threshold:
                    _save_again(blurred(image), image, path)
        if score < self._settings.safety_threshold:
            return {}
        if media_type == "video/mp4":
            return {"filtered": f"This film looks explicit ({score:.2f}), so it was blurred."}
        return {"filtered": f"This picture looks explicit ({score:.2f}), so it was blurred."}

    def _judge(self, place: Workplace) -> PictureFilter | None:
        from worker.finishing.safety import PictureFilter, picture_filter_size  # noqa: PLC0415 - as above

        try:
            source = place.source(self._settings.safety_model)
        except JobError as error:
            if self._settings.safety_filter == "on":
                raise JobError(
                    "safety_filter_missing",
                    f"Every picture must pass the safety filter here, and its model is not installed. {error}",
                ) from error
            log.warning("pictures go unfiltered: %s", error)
            return None
        judge: PictureFilter = place.resident(source.key, lambda: PictureFilter(source), picture_filter_size(source))
        return judge

    def _withhold(self, path: Path, media_type: str, place: Workplace) -> dict[str, Any]:
        """Where the installation names a classifier of texts, one that this speaks against is not handed over."""
        name = self._settings.text_classifier
        if name is None:
            return {}
        # As above: it brings torch and transformers.
        from worker.finishing.judging import text_judge  # noqa: PLC0415 - see above

        found = text_judge(place, name, self._settings.text_blocked_labels).verdict(path.read_text("utf-8"))
        if found.score < self._settings.safety_threshold:
            return {}
        path.write_text(json.dumps(_WITHHELD) if media_type == "application/json" else f"{_WITHHELD}\n", "utf-8")
        return {"filtered": f"This text was judged “{found.label}” ({found.score:.2f}), so it was withheld."}

    def _mask(self, path: Path) -> dict[str, Any]:
        text, found = self._words.mask(path.read_text("utf-8"))
        if not found:
            return {}
        path.write_text(text, "utf-8")
        if found == 1:
            return {"filtered": "One offensive word was masked."}
        return {"filtered": f"{found} offensive words were masked."}

    def shown(self, text: str, params: Params) -> str:
        """A text that is shown while it is written, filtered as the finished one will be; nothing of one that is yet to
        be judged."""
        if not (isinstance(params, Creation) and params.output != "code" and self._on("safety_filter", params)):
            return text
        return "" if self._settings.text_classifier else self._words.mask(text)[0]

    @cached_property
    def _words(self) -> WordFilter:
        return WordFilter.from_folder(self._settings.word_lists or BUILT_IN)

    # ---- label and signature ----

    def _sign(self, path: Path, media_type: str, place: Workplace, statement: dict[str, Any]) -> None:
        if media_type in xmp.MEDIA_TYPES:
            made = labels.Label(ContentProducer=self._settings.producer, ProduceID=f"{place.job_id}/{path.name}")
            xmp.embed(path, media_type, labels.packet(made))
        if media_type in credentials.MEDIA_TYPES:
            self._signatory.sign(path, media_type, statement)

    @cached_property
    def _signatory(self) -> Signatory:
        return Signatory(self._key, version("atelier"))


def _mark(path: Path, media_type: str, params: Creation) -> None:
    if media_type.startswith("image/"):
        with Image.open(path) as image:
            _save_again(marks.mark_picture(image), image, path)
    elif media_type == "video/mp4":
        from worker.finishing import films  # noqa: PLC0415 - as above

        films.rewrite(path, marks.mark_picture)
    elif media_type == "audio/wav":
        _mark_sound(path)
    elif media_type.startswith("text/plain") and params.output != "code":
        path.write_text(marks.mark_text(path.read_text("utf-8")), "utf-8")


def _mark_sound(path: Path) -> None:
    marked = path.with_name(f"{path.name}.marked")
    with wave.open(str(path)) as sound, wave.open(str(marked), "w") as file:
        file.setparams(sound.getparams())
        if sound.getsampwidth() != 2:
            raise ValueError("Only WAV files of 16 bits are marked.")
        rhythm = (marks.mark_sound(sound.getframerate()) * 32767).astype("<i2")
        file.writeframes(np.repeat(rhythm, sound.getnchannels()).tobytes())
        while frames := sound.readframes(1 << 20):
            file.writeframes(frames)
    marked.replace(path)


def _save_again(image: Image.Image, before: Image.Image, path: Path) -> None:
    """Write a picture over the file that it came from, with the text that this carried."""
    if before.format == "PNG":
        info = PngInfo()
        for name, text in getattr(before, "text", {}).items():
            info.add_text(name, text)
        image.save(path, "PNG", pnginfo=info)
    else:
        image.save(path, before.format or "PNG", quality=95)


def _hash(path: Path, media_type: str) -> str | None:
    try:
        return content_hash(path, media_type)
    except Exception:
        # A result is never lost for want of a hash.
        log.exception("%s is no %s that can be hashed", path.name, media_type)
        return None
