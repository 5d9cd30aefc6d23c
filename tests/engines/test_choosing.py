"""Keeping the best of several results, without duplicates."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from worker.engines.choosing import alike_pictures, alike_texts, choose, sharpness


@pytest.mark.parametrize(
    ("results", "scores", "keep", "kept"),
    [
        ("abcd", [1, 4, 2, 3], 2, [1, 3]),
        ("abcd", [4, 3, 2, 1], 9, [0, 1, 2, 3]),
        ("aabb", [1, 2, 4, 3], 3, [1, 2]),
        ("aaaa", [1, 1, 1, 1], 2, [0]),
        ("a", [0], 1, [0]),
        ("", [], 1, []),
    ],
)
def test_the_best_are_kept_in_order_and_each_once(results: str, scores: list[float], keep: int, kept: list[int]):
    assert choose(results, scores, keep, lambda one, other: one == other) == kept


def test_pictures_are_alike_when_nobody_sees_the_difference():
    noise = np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8)
    picture = Image.fromarray(noise).filter(ImageFilter.GaussianBlur(4))
    nearly = Image.fromarray((np.asarray(picture, np.int16) + 1).clip(0, 255).astype(np.uint8))
    assert alike_pictures(picture, nearly)
    assert alike_pictures(picture, picture.resize((128, 128)))
    assert not alike_pictures(picture, picture.rotate(90))


def test_texts_are_alike_when_they_share_their_words():
    text = "The sea is calm tonight. The tide is full, the moon lies fair upon the straits; on the French coast."
    assert alike_texts(text, text.upper().replace(".", "!"))
    assert alike_texts(text, text + " Yes.")
    assert not alike_texts(text, "The sea is wild tonight, and nothing lies fair upon the land.")
    assert not alike_texts(text, "")
    assert alike_texts("", "")


def test_a_sharper_picture_scores_higher():
    picture = Image.effect_noise((64, 64), 80)
    assert sharpness(picture) > sharpness(picture.filter(ImageFilter.GaussianBlur(1))) > 0
    assert sharpness(Image.new("RGB", (8, 8), "red")) == 0
