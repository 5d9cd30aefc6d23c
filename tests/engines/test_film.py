"""Films: what is written comes back, the same bytes each time, and hostile files are refused."""

import random
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from shared.errors import JobError
from worker.engines import film
from worker.engines.film import open_film, poster, write_film


def _frames(count: int, width: int = 64, height: int = 48) -> Iterator[Image.Image]:
    """A disc that moves over a soft ground."""
    y, x = np.mgrid[0:height, 0:width]
    for number in range(count):
        disc = np.hypot(x - 2 * number, y - height // 2) < 10
        pixels = np.stack([x * 200 // width, y * 200 // height, 40 + 180 * disc], -1)
        yield Image.fromarray(pixels.astype(np.uint8))


def _tone(seconds: float, rate: int = 24_000) -> tuple[np.ndarray, int]:
    return (np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate)) / rate) / 2).astype(np.float32), rate


def _film(folder: Path, count: int = 12, **more: object) -> Path:
    path = folder / "film.mp4"
    write_film(path, _frames(count), 12, **more)
    return path


def _pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(int)


@pytest.mark.parametrize("fps", [1, 12, 12.5, 23.976, 60])
def test_frames_size_and_time_come_back(tmp_path: Path, fps: float):
    # given a film of twelve frames
    told: list[int] = []
    write_film(tmp_path / "film.mp4", _frames(12), fps, on_frame=told.append)
    # when it is read, then it is what was written but for the loss of its coding
    with open_film(tmp_path / "film.mp4") as read:
        frames = list(read.frames())
        assert (read.width, read.height, read.fps) == (64, 48, fps)
        assert read.seconds == pytest.approx(12 / fps, abs=1e-3)
        assert read.sound() is None
        assert len(list(read.frames())) == 12  # a second look begins anew
    assert len(frames) == 12
    assert told == list(range(1, 13))
    for made, wanted in zip(frames, _frames(12), strict=True):
        # only the edge of the disc suffers, since two pixels share a colour
        assert np.abs(_pixels(made) - _pixels(wanted)).mean() < 4


def test_plain_colours_keep_their_values(tmp_path: Path):
    # given the colours that a wrong matrix would shift most
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (200, 120, 40)]
    frames = [Image.new("RGB", (32, 32), colour) for colour in colours]
    write_film(tmp_path / "film.mp4", frames, 5)
    with open_film(tmp_path / "film.mp4") as read:
        for image, colour in zip(read.frames(), colours, strict=True):
            assert np.abs(_pixels(image) - colour).max() <= 4


def test_odd_sides_are_padded_by_their_edge(tmp_path: Path):
    write_film(tmp_path / "film.mp4", [Image.new("RGB", (33, 31), (200, 30, 30))] * 2, 5)
    with open_film(tmp_path / "film.mp4") as read:
        image = next(read.frames())
    assert image.size == (34, 32)
    assert np.abs(_pixels(image) - (200, 30, 30)).max() <= 4


def test_sound_goes_in_and_comes_out_in_step(tmp_path: Path):
    # given a tone that begins after half a second
    tone, rate = _tone(1)
    tone[: rate // 2] = 0
    path = _film(tmp_path, sound=(tone, rate))
    # when it is read
    with open_film(path) as read:
        samples, read_rate = read.sound() or (np.zeros(0), 0)
    # then it is there, as long, as high, and begins where it did
    assert samples.dtype == np.float32
    assert len(samples) / read_rate == pytest.approx(1, abs=0.03)
    loud = np.abs(samples) > 0.2
    assert np.argmax(loud) / read_rate == pytest.approx(0.5, abs=0.01)
    spectrum = np.abs(np.fft.rfft(samples[-read_rate // 2 :]))
    assert np.argmax(spectrum) * 2 == pytest.approx(440, abs=4)


def test_sound_may_be_longer_or_shorter_than_the_pictures(tmp_path: Path):
    for seconds in (0.2, 2.0):
        path = _film(tmp_path, sound=_tone(seconds))
        with open_film(path) as read:
            samples, rate = read.sound() or (np.zeros(0), 0)
            assert len(samples) / rate == pytest.approx(seconds, abs=0.03)
            assert read.seconds == pytest.approx(1)


def test_the_same_frames_give_the_same_bytes_that_play_while_they_load(tmp_path: Path):
    first, again = (_film(tmp_path, count=30, sound=_tone(2.5)).read_bytes() for _ in range(2))
    assert first == again
    assert first.index(b"moov") < first.index(b"mdat")


def test_what_cannot_be_a_film_is_the_callers_mistake(tmp_path: Path):
    with pytest.raises(ValueError, match="needs a frame"):
        write_film(tmp_path / "film.mp4", [], 5)
    with pytest.raises(ValueError, match="Frame 1"):
        write_film(tmp_path / "film.mp4", [Image.new("RGB", (8, 8)), Image.new("RGB", (8, 16))], 5)


@pytest.mark.parametrize(("form", "codec"), [("webm", "libvpx-vp9"), ("matroska", "mpeg4"), ("mov", "libx264")])
def test_other_forms_are_read(tmp_path: Path, form: str, codec: str):
    path = tmp_path / "film"
    with av.open(str(path), "w", format=form) as container:
        stream = container.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for image in _frames(6):
            container.mux(stream.encode(av.VideoFrame.from_image(image)))
        container.mux(stream.encode())
    with open_film(path) as read:
        assert len(list(read.frames())) == 6
        assert (read.fps, read.seconds) == (pytest.approx(10, rel=0.01), pytest.approx(0.6, abs=0.01))


@pytest.mark.parametrize("turn", [90, 180, -90])
def test_a_turned_film_is_read_upright(tmp_path: Path, turn: int):
    # given a film whose header says to turn it, as those of telephones do
    upright = next(_frames(1))
    path = tmp_path / "film.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        lying = upright.rotate(-turn, expand=True)
        stream.width, stream.height, stream.pix_fmt = *lying.size, "yuv420p"
        stream.set_display_rotation(turn)
        container.mux(stream.encode(av.VideoFrame.from_image(lying)))
        container.mux(stream.encode())
    # then its frames and its size are as it is shown
    with open_film(path) as read:
        assert (read.width, read.height) == upright.size
        assert np.abs(_pixels(next(read.frames())) - _pixels(upright)).mean() < 3


def test_a_poster_is_the_first_frame_that_is_not_blank(tmp_path: Path):
    black = [Image.new("RGB", (64, 48))] * 3
    write_film(tmp_path / "film.mp4", [*black, *_frames(3)], 5)
    assert _pixels(poster(tmp_path / "film.mp4")).std() > 20
    write_film(tmp_path / "film.mp4", black, 5)
    assert poster(tmp_path / "film.mp4").size == (64, 48)


def _hostile(good: bytes, secret: Path) -> dict[str, bytes]:
    return {
        "empty": b"",
        "text": b"hello, this is no film",
        "cut in its header": good[:200],
        "cut in its pictures": good[: good.index(b"mdat") + 8],
        "playlist": f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile://{secret}\n#EXT-X-ENDLIST\n".encode(),
        "concat": f"ffconcat version 1.0\nfile '{secret}'\n".encode(),
        "picture": b"\x89PNG\r\n\x1a\n" + bytes(64),
        "subtitles": b"1\n00:00:00,000 --> 00:00:01,000\nhello\n",
    }


@pytest.mark.parametrize("name", _hostile(b"mdat", Path()))
def test_what_is_no_film_is_refused_with_a_sentence(tmp_path: Path, name: str):
    # given a good film, which a playlist or a list of files would lead to
    good = _film(tmp_path)
    path = tmp_path / "upload.mp4"
    path.write_bytes(_hostile(good.read_bytes(), good)[name])
    # when the other is opened, then it is refused
    with pytest.raises(JobError) as caught, open_film(path) as read:
        list(read.frames())
    assert caught.value.code == "unreadable_video"
    assert str(caught.value).startswith("The video cannot be read")


def test_a_file_that_is_only_sound_is_no_film(tmp_path: Path):
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=24_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(_tone(0.2)[0][None], format="fltp", layout="mono")
        frame.sample_rate = 24_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(JobError, match="no picture"), open_film(path):
        pass


def test_damaged_files_end_in_a_sentence_or_in_pictures(tmp_path: Path):
    # given films with bytes changed at random
    good = bytearray(_film(tmp_path, count=4, sound=_tone(0.3)).read_bytes())
    chance = random.Random(1)
    path = tmp_path / "damaged.mp4"
    for _ in range(60):
        damaged = bytearray(good)
        for _ in range(8):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        path.write_bytes(damaged)
        # when they are read, then nothing but a sentence can be raised
        with suppress(JobError), open_film(path) as read:
            list(read.frames())
            read.sound()


def test_a_frame_of_too_many_pixels_is_not_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(film, "MAX_PIXELS", 1000)
    with pytest.raises(JobError), open_film(_film(tmp_path)):
        pass
