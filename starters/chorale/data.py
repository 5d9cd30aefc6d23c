"""Bach's four-part chorales, out of the MusicXML files in the wheel of music21, on a grid of eighth notes.

Reads the wheel as the archive that it is: music21 itself need not be installed.
"""

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
from numpy.typing import NDArray

from worker.engines.chorale import HOLD, LOWEST, PITCHES, VOICES

_FOLDER = "music21/corpus/bach/"
_VOICE_NAMES = ("soprano", "alto", "tenor", "bass")
_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


@dataclass(frozen=True)
class Chorale:
    """One chorale, moved to C major or A minor.

    `tokens` is [steps, voices]: HOLD, or a pitch; `beats` the place of each step in its bar, in eighths; `ends` whether
    a phrase ends with the chord that sounds there, under a fermata.
    """

    name: str
    minor: bool
    bar: int
    tokens: NDArray[np.int64]
    beats: NDArray[np.int64]
    ends: NDArray[np.bool_]


@dataclass
class _Part:
    notes: list[tuple[float, float, int, bool]]  # start and length in quarters, MIDI pitch, under a fermata
    fifths: int = 0
    bar: int = 8
    pickup: float = 0.0
    rests: float = 0.0
    length: float = 0.0


def read_chorales(wheel: Path) -> Iterator[Chorale]:
    """Every chorale of the wheel that has four voices without long rests, by name."""
    with zipfile.ZipFile(wheel) as archive:
        for name in sorted(archive.namelist()):
            if name.startswith(_FOLDER) and name.endswith(".mxl"):
                chorale = _chorale(Path(name).stem, _score(archive.read(name)))
                if chorale is not None:
                    yield chorale


def _score(data: bytes) -> ET.Element:
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        inner = next(
            name
            for name in packed.namelist()
            if name.endswith((".xml", ".musicxml")) and not name.startswith("META-INF")
        )
        return ET.fromstring(packed.read(inner))  # noqa: S314 - a file of a wheel that we pinned


def _chorale(name: str, score: ET.Element) -> Chorale | None:
    names = {part.get("id"): (part.findtext("part-name") or "").lower() for part in score.iter("score-part")}
    parts = score.findall("part")
    if len(parts) != VOICES:
        by_name = {voice: [part for part in parts if voice in names[part.get("id")]] for voice in _VOICE_NAMES}
        if any(len(found) != 1 for found in by_name.values()):
            return None
        parts = [found[0] for found in by_name.values()]
    read = [_part(part) for part in parts]
    if any(not part.notes or part.rests > 0.05 * part.length for part in read) or read[0].bar not in {6, 8}:
        return None
    return _gridded(name, read)


def _part(part: ET.Element) -> _Part:
    made = _Part([])
    now, divisions = 0.0, 1.0
    for number, measure in enumerate(part.findall("measure")):
        start, furthest = now, now
        for item in measure:
            if item.tag == "attributes":
                divisions = float(item.findtext("divisions") or divisions)
                if number == 0:
                    made.fifths = int(item.findtext("key/fifths") or 0)
                    beats, unit = item.findtext("time/beats") or "4", item.findtext("time/beat-type") or "4"
                    made.bar = int(beats) * 8 // int(unit)
            elif item.tag in {"backup", "forward"}:
                length = float(item.findtext("duration") or 0) / divisions
                now += -length if item.tag == "backup" else length
            elif item.tag == "note" and item.find("grace") is None and item.find("chord") is None:
                length = float(item.findtext("duration") or 0) / divisions
                _add(made, item, now, length)
                now += length
            furthest = max(furthest, now)
        now = furthest
        if number == 0:
            made.pickup = now - start
    made.length = now
    return made


def _add(part: _Part, note: ET.Element, start: float, length: float) -> None:
    pitch = note.find("pitch")
    if pitch is None:
        part.rests += length
        return
    midi = 12 * (int(pitch.findtext("octave") or 4) + 1) + _STEPS[pitch.findtext("step") or "C"]
    midi += round(float(pitch.findtext("alter") or 0))
    fermata = note.find(".//fermata") is not None
    if any(tie.get("type") == "stop" for tie in note.findall("tie")) and part.notes and part.notes[-1][2] == midi:
        begun, so_far, _, held = part.notes[-1]
        part.notes[-1] = (begun, so_far + length, midi, held or fermata)
    else:
        part.notes.append((start, length, midi, fermata))


def _gridded(name: str, parts: list[_Part]) -> Chorale | None:
    steps = round(2 * min(part.length for part in parts))
    bass, bar = parts[-1], parts[0].bar
    tonic_major = parts[0].fifths * 7 % 12
    minor = bass.notes[-1][2] % 12 == (tonic_major - 3) % 12
    if steps < 2 * bar or not (minor or bass.notes[-1][2] % 12 == tonic_major):
        return None  # in a church mode, or it ends on another chord
    shift = -tonic_major if tonic_major <= 6 else 12 - tonic_major
    tokens = np.full((steps, VOICES), HOLD)
    ends = np.zeros(steps, bool)
    for voice, part in enumerate(parts):
        for start, length, pitch, fermata in part.notes:
            step, moved = round(2 * start), pitch + shift - LOWEST
            if abs(2 * start - step) > 0.01 or step >= steps:
                continue  # a sixteenth between the eighths
            if not 0 <= moved < PITCHES:
                return None
            tokens[step, voice] = 1 + moved
            if fermata and voice == 0:
                ends[step : round(2 * (start + length))] = True
    if not (tokens[0] != HOLD).all():
        return None
    ends[-1] = True
    pickup = round(2 * parts[0].pickup) % bar
    beats = (np.arange(steps) - pickup) % bar
    return Chorale(name, minor, bar, tokens, beats, ends)
