"""Pictures as a painter gets them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shared.errors import JobError
from worker.engines.canvases import Size, as_mask, fit, open_picture, size_for


def test_what_is_transparent_is_white(tmp_path: Path):
    Image.new("RGBA", (4, 4), (255, 0, 0, 0)).save(tmp_path / "a.png")
    assert open_picture(tmp_path / "a.png", field="image").getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
def test_pictures_of_every_form_become_rgb(tmp_path: Path, mode: str):
    Image.new(mode, (4, 4)).save(tmp_path / ("a.jpg" if mode == "CMYK" else "a.png"))
    path = next(tmp_path.iterdir())
    assert open_picture(path, field="image").mode == "RGB"


@pytest.mark.parametrize("data", [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"<svg/>"])
def test_what_is_no_picture_is_told(tmp_path: Path, data: bytes):
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(JobError) as caught:
        open_picture(tmp_path / "a.png", field="mask")
    assert (caught.value.code, caught.value.field) == ("bad_input", "mask")


@pytest.mark.parametrize(
    ("given", "expected"),
    [((512, 512), (512, 512)), ((1024, 512), (512, 256)), ((500, 300), (496, 304)), ((100, 4000), (16, 512)),
     ((3, 3), (16, 16))],
)  # fmt: skip
def test_sizes_are_whole_multiples_and_not_beyond(given: tuple[int, int], expected: tuple[int, int]):
    assert size_for(Image.new("L", given), longest=512, multiple=16) == Size(*expected)


def test_a_picture_is_cut_not_stretched():
    # given a wide picture with a square in the middle
    wide = Image.new("L", (60, 20))
    wide.paste(255, (25, 5, 35, 15))
    # then the square is one still
    assert np.asarray(fit(wide, Size(20, 20)))[5:15, 5:15].min() == 255


def test_a_mask_is_black_or_white():
    grey = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16))
    assert sorted(set(np.asarray(as_mask(grey, Size(16, 16))).ravel().tolist())) == [0, 255]
