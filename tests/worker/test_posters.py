"""The small picture of a film that a worker saved."""

from pathlib import Path

from PIL import Image

from tests.web.test_uploads_api import film
from worker import posters


def test_a_film_gets_its_size_and_its_first_frame(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(film())
    found = posters.measure(clip)
    assert found is not None
    assert (found.width, found.height) == (64, 48)
    assert found.thumbnail is not None
    with Image.open(found.thumbnail) as poster:
        assert (poster.format, poster.size) == ("WEBP", (64, 48))


def test_what_is_no_film_has_none(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"no film")
    assert posters.measure(tmp_path / "clip.mp4") is None
