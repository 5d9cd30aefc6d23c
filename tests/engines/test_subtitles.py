import itertools

import numpy as np
import pytest
from PIL import Image

from worker.engines.subtitles import Cue, at, cues, draw, srt, vtt

LONG = "one two three four five six seven eight nine ten " * 6


def test_a_long_sentence_is_shown_in_pieces_that_share_its_time():
    made = cues([(1.0, 13.0, LONG)])
    assert " ".join(cue.text for cue in made) == LONG.strip()
    assert max(len(cue.text) for cue in made) <= 92
    assert (made[0].start, made[-1].end) == (1, pytest.approx(13))
    assert all(before.end == after.start for before, after in itertools.pairwise(made))


def test_the_files_are_of_their_forms():
    shown = [Cue(0, 1.5, "One < two & three."), Cue(3661.25, 3662, "Later.")]
    assert srt(shown) == (
        "1\n00:00:00,000 --> 00:00:01,500\nOne < two & three.\n\n2\n01:01:01,250 --> 01:01:02,000\nLater.\n"
    )
    assert vtt(shown) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nOne &lt; two &amp; three.\n\n01:01:01.250 --> 01:01:02.000\nLater.\n"
    )


def test_what_is_read_at_a_time():
    shown = [Cue(1, 2, "One."), Cue(3, 4, "Two.")]
    assert [at(shown, second) for second in (0, 1, 1.9, 2, 3.5, 4)] == ["", "One.", "One.", "", "Two.", ""]


@pytest.mark.parametrize(("size", "ground"), [((640, 360), "white"), ((640, 360), "black"), ((96, 160), "grey")])
def test_a_text_is_drawn_inside_the_picture_and_can_be_read_on_any_ground(size: tuple[int, int], ground: str):
    image = Image.new("RGB", size, ground)
    drawn = np.asarray(draw(image, LONG[:84]).convert("L")).astype(int)
    changed = np.argwhere(drawn != np.asarray(image.convert("L")))
    # Dark and light are both there, at the bottom, and nothing touches an edge.
    assert drawn.max() > 250
    assert drawn.min() < 10
    assert changed[:, 0].min() > size[1] * 0.1
    assert changed[:, 1].min() > 0
    assert changed[:, 1].max() < size[0] - 1
    assert draw(image, "") is image
