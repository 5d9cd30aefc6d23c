"""Sounds: decoded, and written anew as FLAC of 16 bits, mono or stereo, at 48 kHz at most."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet

from shared.intake.caps import Caps
from shared.intake.made import Made
from shared.intake.refusal import Refusal

_RATE = 48_000
_BROKEN = 20
"""Packets that may be damaged: a tag at the end of an MP3 reads as one."""

_WHOLE = 0.9
"""Of the length that an exact header claims this much must be there, or the file was cut off."""


def write(sent: InputContainer, stream: AudioStream, caps: Caps, *, exact: bool) -> Made:
    """The sound anew; `exact` says that the header of its format knows the length.

    Raises:
        Refusal: too long, too many channels, an odd rate, cut off, or nothing in it.
    """
    check_rate(stream, "audio", caps)
    rate, layout = min(stream.rate, _RATE), "mono" if stream.channels == 1 else "stereo"
    target = Path("sound.flac")
    samples = 0
    with av.open(str(target), "w", format="flac") as made:
        out = made.add_stream("flac", rate=rate, layout=layout)
        out.codec_context.format = "s16"
        resampler = av.AudioResampler(format="s16", layout=layout, rate=rate)
        for frame in frames(sent, stream):
            for piece in resampler.resample(frame):
                piece.pts = None
                samples += piece.samples
                check_length(samples / rate, "audio", caps)
                made.mux(out.encode(piece))
        for piece in resampler.resample(None):
            piece.pts = None
            samples += piece.samples
            made.mux(out.encode(piece))
        made.mux(out.encode(None))
    claimed = sent.duration / av.time_base if sent.duration else 0
    if not samples:
        raise Refusal("unsupported_audio", "There is no sound in the file.")
    if exact and samples / rate < claimed * _WHOLE:
        raise Refusal("unsupported_audio", "The file ends before the sound that it claims to hold: it was cut off.")
    meta = {"seconds": round(samples / rate, 3), "sample_rate": rate, "channels": 1 if layout == "mono" else 2}
    return Made(target.name, "audio/flac", ".flac", meta=meta)


def frames(sent: InputContainer, stream: AudioStream) -> Iterator[AudioFrame]:
    """The decoded frames of a stream; a few damaged packets are left out."""
    broken = 0
    for packet in sent.demux(stream):
        found, hurt = decoded(packet)
        broken += hurt
        if broken > _BROKEN:
            raise Refusal("unsupported_audio", "The sound cannot be read: its file is damaged.")
        for frame in found:
            if isinstance(frame, AudioFrame):
                yield frame


def decoded(packet: "Packet[Any]") -> tuple[list[object], bool]:
    """The frames of a packet, and whether it was damaged."""
    try:
        return list(packet.decode()), False
    except av.InvalidDataError:
        return [], True


def check_rate(stream: AudioStream, medium: str, caps: Caps) -> None:
    """Raises Refusal where no ear has use for the rate, or for so many channels."""
    if not caps.rate_hz_least <= (stream.rate or 0) <= caps.rate_hz_most:
        span = f"{caps.rate_hz_least:,} to {caps.rate_hz_most:,}"
        raise Refusal(f"unsupported_{medium}", f"{stream.rate or 0:,} samples a second are not taken: {span} are.")
    if not 1 <= stream.channels <= caps.channels:
        raise Refusal(f"unsupported_{medium}", f"{stream.channels} channels are not taken: 1 to {caps.channels} are.")


def check_length(seconds: float, medium: str, caps: Caps) -> None:
    """Raises Refusal where it is longer than a file of this medium may be."""
    most = caps.film_s if medium == "video" else caps.sound_s
    if seconds > most:
        what = "film" if medium == "video" else "sound"
        raise Refusal(f"{medium}_too_large", f"The {what} is longer than {most / 60:g} minutes, which is the most.")
