"""What is done with works: filtered, marked, hashed, labelled and signed; who decides."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from shared import credentials, kinds, labels, xmp
from shared.contents import content_hash
from shared.errors import JobError
from shared.kinds.params import Params
from shared.library import ModelSource
from shared.settings import Settings
from shared.signing import signing_key
from tests.engines.library import Library
from tests.finishing.test_safety import explicit
from tests.kinds.context import RESIDENT
from worker.engines.film import open_film, write_film
from worker.finishing.finisher import Finished, Finisher

MADE = {"kind": "generate_image", "seed": 7}


class Place:
    """An attempt, as those who finish its works see it."""

    job_id = "job_1"

    def __init__(self, library: dict[str, ModelSource]) -> None:
        self.library = library

    def source(self, name: str) -> ModelSource:
        """A model, or the sentence that it is not there."""
        if name not in self.library:
            raise JobError("model_missing", f"There is no model “{name}”.")
        return self.library[name]

    def resident(self, key: str, load: Callable[[], Any], size: int | None = None) -> Any:
        """Loaded once."""
        if key not in RESIDENT:
            RESIDENT[key] = load()
        return RESIDENT[key]


@pytest.fixture(scope="module")
def place() -> Place:
    return Place({"open-nsfw": Library(Path())["open-nsfw"]})


def finisher(folder: Path, **settings: str) -> Finisher:
    """A finisher of an installation with these settings, and with a key of its own."""
    made = Settings(home=folder, **settings)
    return Finisher(made, signing_key(made.signing, "Atelier"))


def picture_params(**params: object) -> Params:
    """Params of a picture."""
    return kinds.validate("generate_image", {"prompt": "a", **params})


def picture(folder: Path, image: Image.Image) -> Path:
    """A PNG as a kind saves it."""
    info = PngInfo()
    info.add_text("parameters", "a red apple\nSteps: 8, Seed: 7")
    path = folder / "image-1.png"
    image.save(path, pnginfo=info)
    return path


def finish(made: Finisher, path: Path, media_type: str, params: Params, place: Place, role: str = "output") -> Finished:
    """Finish as an attempt does."""
    return made.finish(path, role, media_type, params, place, MADE)  # type: ignore[arg-type]


def test_a_picture_is_labelled_and_signed_and_stays_readable_by_other_tools(tmp_path: Path, place: Place):
    # given a picture
    plain = Image.linear_gradient("L").convert("RGB")
    path = picture(tmp_path, plain)
    before = content_hash(path, "image/png")
    made = finisher(tmp_path)
    # when it is finished
    done = finish(made, path, "image/png", picture_params(), place)
    # then its credentials and its label are there, and pixels and settings are what they were
    found = credentials.read(path, "image/png", [signing_key(tmp_path / "keys" / "signing.pem", "").root])
    assert found is not None
    assert (found["state"], found["work"]) == ("trusted", MADE)
    packet = xmp.extract(path)
    assert packet is not None
    label = labels.read(packet)
    assert label is not None
    assert label["ProduceID"] == "job_1/image-1.png"
    with Image.open(path) as image:
        assert image.info["parameters"].startswith("a red apple")
        assert np.array_equal(np.asarray(image), np.asarray(plain))
    assert done == Finished({}, before)


def test_without_credentials_a_file_is_what_the_kind_wrote(tmp_path: Path, place: Place):
    path = picture(tmp_path, Image.linear_gradient("L").convert("RGB"))
    before = path.read_bytes()
    finish(finisher(tmp_path), path, "image/png", picture_params(content_credentials=False), place)
    assert path.read_bytes() == before


def test_an_explicit_picture_is_blurred_with_a_reason(tmp_path: Path, place: Place):
    for role in ("output", "preview"):
        path = picture(tmp_path, explicit())
        done = finish(finisher(tmp_path), path, "image/png", picture_params(), place, role)
        assert done.meta["filtered"].startswith("This picture looks explicit (0.9")
        with Image.open(path) as image:
            assert np.abs(np.diff(np.asarray(image, np.int16), axis=1)).max() <= 8
            assert image.info["parameters"].startswith("a red apple")


@pytest.mark.parametrize(
    ("fixed", "chosen", "filtered"),
    [("choice", False, False), ("choice", True, True), ("on", False, True), ("off", True, False)],
)
def test_an_administrator_may_fix_a_switch(tmp_path: Path, place: Place, fixed: str, chosen: bool, filtered: bool):
    path = picture(tmp_path, explicit())
    made = finisher(tmp_path, safety_filter=fixed)
    done = finish(made, path, "image/png", picture_params(safety_filter=chosen), place)
    assert bool(done.meta) is filtered


def test_without_its_model_the_filter_lets_through_unless_it_is_a_must(tmp_path: Path):
    path = picture(tmp_path, explicit())
    assert finish(finisher(tmp_path), path, "image/png", picture_params(), Place({})).meta == {}
    with pytest.raises(JobError, match="Every picture must pass the safety filter here"):
        finish(finisher(tmp_path, safety_filter="on"), path, "image/png", picture_params(), Place({}))


def test_a_picture_is_marked_when_asked(tmp_path: Path, place: Place):
    plain = Image.new("RGB", (128, 128), "white")
    path = picture(tmp_path, plain)
    done = finish(finisher(tmp_path), path, "image/png", picture_params(visible_mark=True), place)
    with Image.open(path) as image:
        assert not np.array_equal(np.asarray(image), np.asarray(plain))
        assert image.info["parameters"].startswith("a red apple")
    assert done.content == content_hash(path, "image/png")


def film(folder: Path, image: Image.Image) -> Path:
    """Eight frames of a picture, with a sound."""
    path = folder / "clip.mp4"
    write_film(path, [image] * 8, 4, (np.sin(np.arange(16_000) / 20).astype(np.float32) / 2, 8000))
    return path


def test_an_explicit_film_is_blurred_and_keeps_its_sound(tmp_path: Path, place: Place):
    params = kinds.validate("generate_video", {"prompt": "a"})
    path = film(tmp_path, explicit())
    done = finish(finisher(tmp_path), path, "video/mp4", params, place)
    assert done.meta["filtered"].startswith("This film looks explicit")
    with open_film(path) as found:
        frames = list(found.frames())
        assert found.sound() is not None
    assert len(frames) == 8
    assert np.abs(np.diff(np.asarray(frames[0], np.int16), axis=1)).max() <= 12
    assert credentials.read(path, "video/mp4", []) is not None


def test_a_film_is_marked_when_asked(tmp_path: Path, place: Place):
    params = kinds.validate("generate_video", {"prompt": "a", "visible_mark": True})
    path = film(tmp_path, Image.new("RGB", (128, 128), "white"))
    assert finish(finisher(tmp_path), path, "video/mp4", params, place).meta == {}
    with open_film(path) as found:
        dark = [np.asarray(frame.convert("L")) < 160 for frame in found.frames()]
    assert all(each[100:, 90:].any() and not each[:90].any() for each in dark)


def test_a_text_is_masked_and_marked(tmp_path: Path, place: Place):
    params = kinds.validate("generate_text", {"prompt": "a", "visible_mark": True})
    path = tmp_path / "text.txt"
    path.write_text("Well, fuck.")
    done = finish(finisher(tmp_path), path, "text/plain; charset=utf-8", params, place)
    assert path.read_text() == "Well, f•••.\n\n(Generated by AI)\n"
    assert done.meta == {"filtered": "One offensive word was masked."}
    assert finisher(tmp_path).shown("oh fuck", params) == "oh f•••"
    assert finisher(tmp_path, text_classifier="sentiment").shown("oh", params) == ""


def test_several_texts_in_json_are_masked_and_stay_json(tmp_path: Path, place: Place):
    params = kinds.validate("generate_text", {"prompt": "a"})
    path = tmp_path / "texts.json"
    path.write_text('[{"text": "fuck"}, {"text": "shit"}]')
    done = finish(finisher(tmp_path), path, "application/json", params, place)
    assert path.read_text() == '[{"text": "f•••"}, {"text": "s•••"}]'
    assert done.meta == {"filtered": "2 offensive words were masked."}


def test_a_text_that_the_classifier_speaks_against_is_withheld(tmp_path: Path):
    # given an installation that wants no text which its classifier finds negative
    library = Library(tmp_path / "models")
    place = Place({name: library[name] for name in ("sentiment", "minilm")})
    made = finisher(tmp_path, text_classifier="sentiment", text_blocked_labels="negative")
    params = kinds.validate("generate_text", {"prompt": "a"})
    path = tmp_path / "text.txt"
    # then such a text is withheld with the reason, also where it stands at the end of a long one, and others pass
    long = "We had a wonderful day at the sea, and everybody was happy. " * 20
    worse = "I hate it. Horrible, awful, disgusting! " * 9
    for bad in ("This is a horrible, disgusting film and I hate it.", long + worse):
        path.write_text(bad)
        done = finish(made, path, "text/plain", params, place)
        assert done.meta["filtered"].startswith("This text was judged “negative” (0.")
        assert path.read_text() == "[Withheld by the safety filter.]\n"
    path.write_text(long)
    assert finish(made, path, "text/plain", params, place).meta == {}
    assert path.read_text() == long


def test_a_classifier_that_cannot_judge_is_told_of_in_a_sentence(tmp_path: Path):
    library = Library(tmp_path / "models")
    place = Place({name: library[name] for name in ("sentiment", "minilm")})
    params = kinds.validate("generate_text", {"prompt": "a"})
    path = tmp_path / "text.txt"
    path.write_text("Hello.")
    for settings, sentence in (
        ({"text_classifier": "sentiment", "text_blocked_labels": "toxic"}, "knows only: negative"),
        ({"text_classifier": "nothing", "text_blocked_labels": "toxic"}, "There is no model"),
    ):
        with pytest.raises(JobError, match=sentence):
            finish(finisher(tmp_path, **settings), path, "text/plain", params, place)


def test_code_is_left_as_it_runs(tmp_path: Path, place: Place):
    params = kinds.validate("generate_code", {"prompt": "a", "visible_mark": True})
    path = tmp_path / "code.py"
    path.write_text("fuck = 1\n")
    done = finish(finisher(tmp_path), path, "text/x-python", params, place)
    assert path.read_text() == "fuck = 1\n"
    assert done.meta == {}


def test_a_sound_begins_with_the_rhythm_when_marked_and_is_signed(tmp_path: Path, place: Place):
    params = kinds.validate("generate_speech", {"text": "a", "visible_mark": True})
    path = tmp_path / "speech.wav"
    said = np.sin(np.arange(4000) / 9).astype(np.float32) * 0.5
    soundfile.write(path, said, 8000, subtype="PCM_16")
    before, _ = soundfile.read(path, dtype="int16")
    finish(finisher(tmp_path), path, "audio/wav", params, place)
    after, rate = soundfile.read(path, dtype="int16")
    assert rate == 8000
    assert len(after) > len(before) + 0.9 * rate
    assert np.array_equal(after[-len(before) :], before)
    assert credentials.read(path, "audio/wav", []) is not None


def test_logs_and_files_of_kinds_that_make_no_works_are_left_alone(tmp_path: Path, place: Place):
    path = picture(tmp_path, explicit())
    before = path.read_bytes()
    assert finish(finisher(tmp_path), path, "image/png", picture_params(), place, "log") == Finished()
    assert path.read_bytes() == before
