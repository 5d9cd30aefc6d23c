"""Films as files: written for browsers (H.264 and AAC in MP4), read from MP4, MOV, WebM and MKV.

Reads local files only: a playlist, or a file that names other files or addresses, is refused. Knows no models.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.error import FFmpegError
from av.stream import Disposition
from numpy.typing import NDArray
from PIL import Image, ImageStat

from shared.errors import JobError

Sound = tuple[NDArray[np.float32], int]

MAX_PIXELS = 8192 * 8192
"""Pixels of a frame that is read, at most: a header can claim any size."""

#: 18 is all but lossless to the eye. One thread, and no dates or versions: the same frames give the same bytes.
_H264 = {"crf": "18", "preset": "medium", "threads": "1"}
_MP4 = {"movflags": "+faststart", "fflags": "+bitexact"}
#: Only these forms, and only from the disk: an HLS or concat file could make the reader fetch anything.
_READABLE = {"format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm", "protocol_whitelist": "file"}
#: What every browser plays; other rates are resampled to it.
_SOUND_RATE = 48_000
_SRGB, _BT709, _LIMITED = 13, 1, 1
#: A frame below this spread of brightness is taken for blank, and this many are looked at for a better one.
_BLANK, _LOOKED_AT = 8.0, 240


def write_film(
    path: Path,
    frames: Iterable[Image.Image],
    fps: float,
    sound: Sound | None = None,
    on_frame: Callable[[int], object] | None = None,
) -> None:
    """Write an MP4 that browsers play while it loads, frame by frame: memory does not grow with its length.

    All frames are of one size; odd sides are padded by a pixel of their edge. `sound` is float samples in -1 … 1 of
    shape (n,) and their rate; it is written whole, also where it is longer than the frames. `on_frame(done)` is called
    after each frame; what it raises ends the writing.

    Raises:
        ValueError: there is no frame, or one of another size.
    """
    coming = iter(frames)
    first = next(coming, None)
    if first is None:
        raise ValueError("A film needs a frame.")
    rate = Fraction(fps).limit_denominator(1001)
    with av.open(str(path), "w", format="mp4", container_options=_MP4) as container:
        video = _video_stream(container, first, rate)
        speak = _voice(container, sound) if sound else None
        for number, image in enumerate(chain([first], coming)):
            if image.size != first.size:
                raise ValueError(f"Frame {number} has the size {image.size}, not {first.size}.")
            container.mux(video.encode(_encodable(image, number, rate)))
            if speak:  # as far as the picture, so that both lie together in the file
                speak(float((number + 1) / rate))
            if on_frame:
                on_frame(number + 1)
        container.mux(video.encode())
        if speak:
            speak(None)


@dataclass(frozen=True)
class Film:
    """A film that can be read: as it is shown, so a turned one is upright."""

    path: Path
    width: int
    height: int
    fps: float
    seconds: float
    _open: ExitStack

    def frames(self) -> Iterator[Image.Image]:
        """All pictures in order, RGB.

        Raises:
            JobError: the file is broken from some frame on.
        """
        with _sentences(), _opened(self.path, self._open) as container:
            yield from _pictures(container)

    def sound(self) -> Sound | None:
        """The first sound track as mono samples in -1 … 1 of shape (n,), and its rate; None where there is none.

        Raises:
            JobError: the track is broken.
        """
        with _sentences(), _opened(self.path, self._open) as container:
            return _samples(container)


@contextmanager
def open_film(path: Path) -> Iterator[Film]:
    """A film file, open for reading.

    Raises:
        JobError: it is no film that can be read.
    """
    with ExitStack() as stack:
        with _sentences():
            with _opened(path, stack) as container:
                first = next(_pictures(container), None)
            if first is None:
                raise _unreadable("It has no picture.")
            with _opened(path, stack) as container:
                count, seconds = _measured(container)
        yield Film(path, *first.size, round(count / seconds, 3), seconds, stack)


def poster(path: Path) -> Image.Image:
    """A frame that stands for the film: the first that is not blank.

    Raises:
        JobError: it is no film that can be read.
    """
    with open_film(path) as film:
        frames = film.frames()
        first = next(frames)
        for _, image in zip(range(_LOOKED_AT), chain([first], frames), strict=False):
            if ImageStat.Stat(image.convert("L")).stddev[0] >= _BLANK:
                return image
    return first


def _video_stream(container: Any, first: Image.Image, rate: Fraction) -> Any:
    stream = container.add_stream("libx264", rate=rate, options=_H264)
    stream.width, stream.height = (side + side % 2 for side in first.size)
    stream.pix_fmt = "yuv420p"
    codec = stream.codec_context
    codec.color_range, codec.colorspace, codec.color_primaries, codec.color_trc = _LIMITED, _BT709, _BT709, _SRGB
    return stream


def _encodable(image: Image.Image, number: int, rate: Fraction) -> av.VideoFrame:
    pixels = np.asarray(image.convert("RGB"))
    height, width = pixels.shape[:2]
    pixels = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
    frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
    frame.pts, frame.time_base = number, 1 / rate
    return frame


def _voice(container: Any, sound: Sound) -> Callable[[float | None], None]:
    """What writes the sound up to a second, or up to its end."""
    samples, rate = sound
    stream = container.add_stream("aac", rate=_SOUND_RATE, layout="mono")
    stream.codec_context.flags |= av.codec.context.Flags.bitexact.value
    written = 0

    def speak(until: float | None) -> None:
        nonlocal written
        end = len(samples) if until is None else min(len(samples), int(until * rate))
        if end > written:
            part = np.ascontiguousarray(samples[None, written:end], dtype=np.float32)
            frame = av.AudioFrame.from_ndarray(part, format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = rate, written, Fraction(1, rate)
            container.mux(stream.encode(frame))
            written = end
        if until is None:
            container.mux(stream.encode())

    return speak


@contextmanager
def _opened(path: Path, stack: ExitStack) -> Iterator[Any]:
    """The container; closed at the latest when the stack is, if whoever iterates stops in the middle."""
    container = stack.enter_context(av.open(str(path.resolve()), container_options=_READABLE, metadata_errors="ignore"))
    try:
        yield container
    finally:
        container.close()


def _pictures(container: Any) -> Iterator[Image.Image]:
    stream = _shown(container)
    stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
    for frame in container.decode(stream):
        image: Image.Image = frame.to_image()
        turn = round(frame.rotation / 90) * 90 % 360
        yield image.rotate(turn, expand=True) if turn else image


def _measured(container: Any) -> tuple[int, float]:
    """How many frames there are and how long they last: counted, since headers lie or are silent."""
    stream = _shown(container)
    count, begin, end = 0, Fraction(0), Fraction(0)
    for packet in container.demux(stream):
        if packet.pts is None or packet.is_discard:
            continue
        start = packet.pts * packet.time_base
        count, begin = count + 1, min(begin, start) if count else start
        end = max(end, start + (packet.duration or 0) * packet.time_base)
    count = max(count, 1)  # a frame was there, even if no packet says when
    return count, float(end - begin) or float(count / (stream.guessed_rate or 1))


def _shown(container: Any) -> Any:
    """The first video stream that can be decoded and is no cover of a record."""
    for stream in container.streams.video:
        if stream.codec_context and not stream.disposition & Disposition.attached_pic:
            return stream
    raise _unreadable("It has no picture.")


def _samples(container: Any) -> Sound | None:
    stream = next((stream for stream in container.streams.audio if stream.codec_context), None)
    if stream is None:
        return None
    mono = av.AudioResampler(format="flt", layout="mono")
    parts = [part.to_ndarray()[0] for frame in container.decode(stream) for part in mono.resample(frame)]
    parts += [part.to_ndarray()[0] for part in mono.resample(None)]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32), stream.rate


@contextmanager
def _sentences() -> Iterator[None]:
    """Turn what the reading library raises into a sentence."""
    try:
        yield
    except FFmpegError as error:
        raise _unreadable(f"{error.strerror}.") from error


def _unreadable(reason: str) -> JobError:
    sentence = f"The video cannot be read: MP4, MOV, WebM and MKV files are understood. {reason}"
    return JobError("unreadable_video", sentence)
