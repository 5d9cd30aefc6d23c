"""Sounds and films: opened by PyAV as the one format that their first bytes name, and then written anew.

ffmpeg reads from an open file, may open no other, and gets no protocol: a playlist inside a file leads nowhere.
"""

from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Disposition

from shared.intake import films, sounds
from shared.intake.caps import Caps
from shared.intake.made import Made
from shared.intake.refusal import Refusal

_SOUND_CODECS = {"aac", "alac", "flac", "mp3", "mp3float", "opus", "libopus", "vorbis"}
_FILM_CODECS = {"h264", "hevc", "vp8", "vp9", "libvpx", "libvpx-vp9", "av1", "libdav1d", "libaom-av1", "mpeg4", "mjpeg"}
_FILM_FORMATS = {"mov", "matroska", "ogg"}


def read(source: Path, name: str, caps: Caps) -> Made:
    """The sound or film in a file of ffmpeg's format `name`.

    Raises:
        Refusal: it is damaged, too long, or holds what no decoder here is meant for.
    """
    medium = "video" if name in _FILM_FORMATS else "audio"
    try:
        with source.open("rb") as file, av.open(file, "r", format=name, options={"protocol_whitelist": "none"}) as sent:
            film = next((each for each in sent.streams.video if not each.disposition & Disposition.attached_pic), None)
            sound = next(iter(sent.streams.audio), None)
            medium = "video" if film else "audio"
            _judge(sent, medium, caps)
            if name == "wav" and _is_cut(source):
                raise Refusal("unsupported_audio", "The file ends before the sound that it claims to hold.")
            if film is not None:
                return films.write(sent, film, sound, caps)
            if sound is not None:
                return sounds.write(sent, sound, caps, exact=name in {"wav", "flac", "mov"})
    except (av.FFmpegError, ValueError, OSError, ArithmeticError) as error:
        what = "film" if medium == "video" else "sound"
        raise Refusal(
            f"unsupported_{medium}", f"The {what} cannot be read: its file is damaged, cut off or of another format."
        ) from error
    raise Refusal("unsupported_file", "There is neither sound nor film in the file.")


def _is_cut(source: Path) -> bool:
    """Whether a RIFF file is shorter than it says; one that was written as it came may not say."""
    with source.open("rb") as file:
        claimed = int.from_bytes(file.read(8)[4:], "little")
    return 0 < claimed < 0xFFFFFFFF - 8 and claimed + 8 > source.stat().st_size + 1


def _judge(sent: InputContainer, medium: str, caps: Caps) -> None:
    """By what the header claims, before anything is decoded; what is decoded is counted as well."""
    for stream in (*sent.streams.audio, *sent.streams.video):
        known = _SOUND_CODECS if stream.type == "audio" else _FILM_CODECS
        name = stream.codec_context.name
        picture = stream.type == "video" and stream.disposition & Disposition.attached_pic
        if not picture and name not in known and not (stream.type == "audio" and name.startswith("pcm_")):
            raise Refusal(f"unsupported_{medium}", f"Its codec {name} is not taken here.")
    if sent.duration is not None:
        sounds.check_length(sent.duration / av.time_base, medium, caps)
