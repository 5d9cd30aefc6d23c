"""Films: decoded, and written anew as H.264 and AAC in MP4, upright, with the first frame as a small picture."""

from fractions import Fraction
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from shared import thumbnails
from shared.intake.caps import Caps
from shared.intake.made import Made
from shared.intake.refusal import Refusal
from shared.intake.sounds import check_length, check_rate, decoded

_TICKS = 90_000
"""Ticks a second in which moments of frames are written: frames need not come evenly."""

_SOUND_RATE = 48_000
_THREADS = 4
"""Of the decoder and of the encoder each: more would need more memory than the child may have."""

_QUALITY = {"crf": "20", "preset": "veryfast", "threads": str(_THREADS)}
_BROKEN = 50


class _Writer:
    """The film as it is written, from its first frame on."""

    def __init__(self, made: OutputContainer, first: VideoFrame, rate: Fraction, sound: AudioStream | None) -> None:
        self._made = made
        self.film = made.add_stream("libx264", rate=rate, options=_QUALITY)
        self.film.width, self.film.height, self.film.pix_fmt = first.width, first.height, "yuv420p"
        self.film.codec_context.time_base = Fraction(1, _TICKS)
        self.sound = None
        if sound is not None:
            self.sound = made.add_stream("aac", rate=_SOUND_RATE, layout="stereo")
            self._resampler = av.AudioResampler(format="fltp", layout="stereo", rate=_SOUND_RATE)
        self.frames, self._last = 0, -1

    def show(self, frame: VideoFrame, seconds: float) -> None:
        """Write a frame for this moment; one that comes no later than the one before is left out."""
        tick = round(seconds * _TICKS)
        if tick <= self._last:
            return
        frame.pts, frame.time_base = tick, Fraction(1, _TICKS)
        self._last = tick
        self.frames += 1
        self._made.mux(self.film.encode(frame))

    def play(self, frame: av.AudioFrame | None) -> None:
        """Write sound; None is its end."""
        if self.sound is not None:
            for piece in self._resampler.resample(frame):
                self._made.mux(self.sound.encode(piece))

    def end(self) -> None:
        """Write what the encoders still hold."""
        self.play(None)
        for stream in (self.film, self.sound):
            if stream is not None:
                self._made.mux(stream.encode(None))


def write(sent: InputContainer, film: VideoStream, sound: AudioStream | None, caps: Caps) -> Made:
    """The film anew, with its first sound track.

    Raises:
        Refusal: too long, too many frames or pixels, damaged, or nothing in it.
    """
    _judge(film, sound, caps)
    film.thread_type, film.codec_context.thread_count = "AUTO", _THREADS
    target, writer, poster, broken, seconds = Path("film.mp4"), None, None, 0, 0.0
    with av.open(str(target), "w", format="mp4", options={"movflags": "+faststart"}) as made:
        start: float | None = None
        for packet in sent.demux([each for each in (film, sound) if each is not None]):
            found, hurt = decoded(packet)
            broken += hurt
            if broken > _BROKEN:
                raise Refusal("unsupported_video", "The film cannot be read: its file is damaged.")
            for frame in found:
                if isinstance(frame, VideoFrame):
                    start = frame.time or 0.0 if start is None else start
                    seconds = max(seconds, (frame.time or 0.0) - start)
                    check_length(seconds, "video", caps)
                    upright = _upright(frame, caps)
                    if writer is None:
                        poster = thumbnails.shrunk(upright.to_image(), Path("film.thumbnail.webp"))
                        writer = _Writer(made, upright, film.average_rate or Fraction(25), sound)
                    elif (upright.width, upright.height) != (writer.film.width, writer.film.height):
                        upright = upright.reformat(width=writer.film.width, height=writer.film.height)
                    writer.show(upright, (frame.time or 0.0) - start)
                    if writer.frames > caps.film_frames:
                        raise Refusal("video_too_large", f"The film has more than {caps.film_frames:,} frames.")
                elif isinstance(frame, av.AudioFrame) and writer is not None:
                    writer.play(frame)
        if writer is None or poster is None:
            raise Refusal("unsupported_video", "There is no picture in the film.")
        writer.end()
    width, height = writer.film.width, writer.film.height
    meta = {
        "width": width, "height": height, "frames": writer.frames,
        "seconds": round(seconds, 3), "fps": round(float(film.average_rate or 25), 3), "sound": sound is not None,
    }  # fmt: skip
    return Made(target.name, "video/mp4", ".mp4", width, height, poster.name, meta)


def _judge(film: VideoStream, sound: AudioStream | None, caps: Caps) -> None:
    width, height = film.codec_context.width, film.codec_context.height
    if min(width, height) < 1 or width * height > caps.pixels or max(width, height) > caps.ratio * min(width, height):
        raise Refusal("video_too_large", f"A film of {width} × {height} pixels is not taken.")
    if film.frames > caps.film_frames:
        raise Refusal("video_too_large", f"The film has more than {caps.film_frames:,} frames.")
    if sound is not None:
        check_rate(sound, "video", caps)


def _upright(frame: VideoFrame, caps: Caps) -> VideoFrame:
    """Turned as the file says it is to be shown, no larger than allowed, its sides even as the codec needs them."""
    if frame.rotation % 360:
        frame = VideoFrame.from_image(frame.to_image().rotate(frame.rotation, expand=True))
    scale = min(1.0, caps.film_side / max(frame.width, frame.height))
    width, height = (max(2, round(side * scale) // 2 * 2) for side in (frame.width, frame.height))
    return frame.reformat(width=width, height=height, format="yuv420p")
