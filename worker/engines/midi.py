"""Notes written as a standard MIDI file, which every music program reads. Makes no sound."""

import struct
from collections.abc import Iterable
from pathlib import Path

from worker.engines.synthesis import Note

#: Ticks of a quarter note, and the quarter notes a minute that the file is written at: the times come from the notes.
_TICKS, _TEMPO = 480, 120
_PER_SECOND = _TICKS * _TEMPO // 60


def write_midi(path: Path, notes: Iterable[Note], program: int) -> None:
    """One track with a channel for each voice; `program` is the General MIDI instrument, from 0."""
    events: list[tuple[int, int, bytes]] = []
    voices = set()
    for note in notes:
        voices.add(note.voice)
        start, end = (round(second * _PER_SECOND) for second in (note.start, note.start + note.seconds))
        loudness = max(1, min(127, round(note.loudness * 127)))
        events.append((start, 1, bytes([0x90 | note.voice, note.pitch, loudness])))
        events.append((end, 0, bytes([0x80 | note.voice, note.pitch, 0])))  # 0: an end goes before a beginning
    events += [(0, -1, bytes([0xC0 | voice, program])) for voice in sorted(voices)]
    track = b"\x00\xff\x51\x03" + (60_000_000 // _TEMPO).to_bytes(3, "big")
    now = 0
    for tick, _, event in sorted(events):
        track += _length(tick - now) + event
        now = tick
    track += b"\x00\xff\x2f\x00"
    head = b"MThd" + struct.pack(">IHHH", 6, 0, 1, _TICKS)
    path.write_bytes(head + b"MTrk" + struct.pack(">I", len(track)) + track)


def _length(ticks: int) -> bytes:
    """A number in seven bits a byte, all but the last with the eighth set."""
    parts = [ticks & 0x7F]
    while ticks := ticks >> 7:
        parts.append(ticks & 0x7F | 0x80)
    return bytes(reversed(parts))
