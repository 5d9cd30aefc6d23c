"""Thumbnails of films; those of pictures are tested with the gallery that shows them."""

from pathlib import Path

import pytest
from PIL import Image

from worker import thumbnails
from worker.engines.film import write_film


@pytest.mark.parametrize(("size", "small"), [((640, 360), (512, 288)), ((64, 48), (64, 48))])
def test_a_film_gets_a_frame_of_its_own_however_small_it_is(
    tmp_path: Path, size: tuple[int, int], small: tuple[int, int]
):
    # given a film that begins black
    path = tmp_path / "clip.mp4"
    write_film(path, [Image.new("RGB", size), *[Image.effect_noise(size, 80).convert("RGB")] * 3], 4)
    # when it is measured, then its thumbnail is a frame in which something can be seen
    measured = thumbnails.measure(path, "video/mp4")
    assert measured is not None
    assert (measured.width, measured.height) == size
    assert measured.thumbnail is not None
    with Image.open(measured.thumbnail) as image:
        assert (image.format, image.size) == ("WEBP", small)
        darkest, brightest = image.convert("L").getextrema()
        assert brightest - darkest > 100


def test_a_film_that_cannot_be_read_goes_without(tmp_path: Path):
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"not a film")
    assert thumbnails.measure(path, "video/mp4") is None
