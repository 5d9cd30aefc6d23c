"""The classifier of explicit pictures, and how such a picture is shown."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.engines.library import Library
from worker.finishing.safety import PictureFilter, blurred

#: Ellipses (x, y, half width, half height, colour) that a search by chance found: nothing to see for a person, and to
#: the classifier as explicit as can be. No picture that a person would call so is needed to see the filter work.
_GROUND = (230, 180, 150)
_ELLIPSES = (
    (72, 131, 29, 52, (97, 174, 128)), (99, 63, 69, 42, (109, 205, 81)), (49, 18, 8, 35, (198, 89, 133)),
    (108, 70, 19, 40, (248, 177, 113)), (91, 74, 35, 25, (140, 179, 117)), (38, 55, 56, 63, (145, 129, 99)),
    (39, 103, 17, 43, (134, 83, 74)), (105, 99, 16, 53, (106, 109, 94)), (58, 77, 5, 22, (120, 133, 121)),
    (131, -55, 32, 18, (313, 67, 145)), (193, 30, 13, 23, (138, 268, 56)), (94, -7, 7, 36, (151, 113, 147)),
    (13, 76, 20, 5, (123, 122, 144)),
)  # fmt: skip


def explicit(side: int = 128) -> Image.Image:
    """A picture that the classifier takes for explicit."""
    image = Image.new("RGB", (128, 128), _GROUND)
    draw = ImageDraw.Draw(image)
    for x, y, width, height, colour in _ELLIPSES:
        draw.ellipse((x - width, y - height, x + width, y + height), fill=colour)
    return image.resize((side, side))


@pytest.fixture(scope="module")
def judge(library: Library) -> PictureFilter:
    return PictureFilter(library["open-nsfw"])


def test_a_positive_is_flagged_and_ordinary_pictures_are_not(judge: PictureFilter):
    assert judge.score(explicit()) > 0.9
    assert judge.score(explicit(300)) > 0.7
    plain = [Image.new("RGB", (64, 64), colour) for colour in ("white", "black", "red", (222, 184, 160))]
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8))
    grey = Image.linear_gradient("L")
    assert max(judge.score(image) for image in [*plain, noise, grey]) < 0.4


def test_a_blurred_picture_passes_and_shows_nothing_fine(judge: PictureFilter):
    picture = explicit(256)
    hidden = blurred(picture)
    assert hidden.size == picture.size
    assert judge.score(hidden) < 0.5
    steps = np.abs(np.diff(np.asarray(hidden, np.int16), axis=1))
    assert steps.max() <= 4  # no edge is left
