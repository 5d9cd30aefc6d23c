"""Sound out of any file that ffmpeg's libraries read, a video's sound track too. Does not know what is heard in it."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from shared.errors import JobError

#: Mono, between -1 and 1.
Sound = NDArray[np.float32]

#: Only these forms, and only from the disk: a playlist could make the reader fetch anything.
_READABLE = {
    "format_whitelist": "wav,w64,aiff,caf,flac,mp3,aac,ogg,mov,mp4,m4a,3gp,3g2,mj2,matroska,webm",
    "protocol_whitelist": "file",
}


def read_sound(path: Path, rate: int, *, longest: float) -> Sound:
    """The sound of a file, its channels mixed into one, at that many samples a second.

    Raises:
        JobError: there is no sound in it, it cannot be read, or it is longer than `longest` seconds.
    """
    pieces: list[Sound] = []
    count, limit = 0, int(longest * rate)
    try:
        with av.open(str(path.resolve()), container_options=_READABLE, metadata_errors="ignore") as file:
            if not file.streams.audio:
                raise JobError("no_sound", "This file has no sound.", field="source")
            resampler = av.AudioResampler(format="flt", layout="mono", rate=rate)
            for frame in file.decode(file.streams.audio[0]):
                for piece in resampler.resample(frame):
                    pieces.append(piece.to_ndarray()[0])
                    count += piece.samples
                if count > limit:
                    minutes = f"{longest / 60:g} minutes"
                    raise JobError("too_long", f"The recording may last {minutes} at most.", field="source")
            pieces += [piece.to_ndarray()[0] for piece in resampler.resample(None)]
    except av.FFmpegError as error:
        raise JobError("input_broken", "The sound of this file cannot be read.", field="source") from error
    if not pieces:
        raise JobError("no_sound", "This file has no sound.", field="source")
    return np.concatenate(pieces).astype(np.float32, copy=False)


def quiet_cuts(sound: Sound, rate: int, *, part: float) -> list[tuple[int, int]]:
    """The sound in parts of at most `part` seconds, as first and last sample, cut where it is quietest.

    A part is cut in its last fifth, in the middle of its quietest tenth of a second.
    """
    spans: list[tuple[int, int]] = []
    start, longest, window = 0, int(part * rate), rate // 10
    while len(sound) - start > longest:
        near = start + longest - longest // 5
        region = sound[near : start + longest]
        blocks = region[: len(region) // window * window].reshape(-1, window)
        end = near + int((blocks**2).mean(1).argmin()) * window + window // 2
        spans.append((start, end))
        start = end
    return [*spans, (start, len(sound))]
