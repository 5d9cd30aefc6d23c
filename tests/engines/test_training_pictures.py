"""Pictures of a folder as tensors, and how near made ones come to them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from shared.errors import Cancelled, JobError
from tests.engines.picture_sets import drawn, write
from worker.engines.training.picture_scores import Features, Reader, Scores, frechet
from worker.engines.training.pictures import Reading, read_pictures, sheet, to_image


def test_pictures_come_back_as_they_were_drawn(tmp_path: Path):
    pictures = drawn(10)
    read = read_pictures(tmp_path, write(pictures, tmp_path), Reading())

    assert (read.size, read.channels, read.classes) == (8, 1, ("bar", "square"))
    assert torch.equal(read.pixels, pictures.pixels)
    assert torch.equal(read.labels, pictures.labels)
    assert read.names[3] == "square-3.png"


def test_pictures_of_all_shapes_become_squares_in_colour(tmp_path: Path):
    colours = np.zeros((20, 40, 3), np.uint8)
    colours[:, :20] = (255, 0, 0)
    Image.fromarray(colours).save(tmp_path / "a.png")
    Image.new("RGBA", (30, 30), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    rows = [{"file": "a.png"}, {"file": "clear.png"}]
    cut = read_pictures(tmp_path, rows, Reading(size=16))
    filled = read_pictures(tmp_path, rows, Reading(size=16, fitting="pad"))

    assert cut.pixels.shape == (2, 3, 16, 16)
    assert cut.pixels[0, 0, 0, 0] == 255
    assert cut.pixels[0, 0, 0, -1] == 0
    assert (cut.pixels[1] == 255).all()
    assert (filled.pixels[0, :, 0, 15] == torch.tensor([255, 0, 0])).all()
    assert read_pictures(tmp_path, rows, Reading(size=16, colours="grey")).channels == 1
    assert read_pictures(tmp_path, rows, Reading()).size == 32


def test_held_out_pictures_are_like_those_learned_from(tmp_path: Path):
    rows = write(drawn(6), tmp_path)
    pictures = read_pictures(tmp_path, rows, Reading(size=16))
    held = read_pictures(tmp_path, [*rows[:2], {**rows[2], "label": "moon"}], Reading(size=8), like=pictures)

    assert held.pixels.shape == (2, 1, 16, 16)
    assert len(read_pictures(tmp_path, [], Reading(), like=pictures)) == 0


def test_mirrored_pictures_are_mirrored(tmp_path: Path):
    pictures = drawn(3)
    plain, turned = pictures.take([1, 2], "cpu"), pictures.take([1, 2], "cpu", torch.tensor([True, False]))

    assert torch.equal(turned[0], plain[0].flip(-1))
    assert torch.equal(turned[1], plain[1])
    assert np.array_equal(np.asarray(to_image(plain[0])), pictures.pixels[1, 0].numpy())


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([], "no pictures"),
        ([{"file": "../secret.png"}], "not a file of the dataset"),
        ([{"file": "note.png"}], "“note.png” cannot be read as a picture"),
    ],
)
def test_what_cannot_be_learned_from_is_told(tmp_path: Path, rows: list, sentence: str):
    (tmp_path / "note.png").write_text("no picture")
    with pytest.raises(JobError, match=sentence):
        read_pictures(tmp_path, rows, Reading())


def test_reading_can_be_cancelled(tmp_path: Path):
    def cancelled() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        read_pictures(tmp_path, write(drawn(2), tmp_path), Reading(), cancelled)


def test_a_sheet_shows_small_pictures_enlarged(tmp_path: Path):
    path = sheet([to_image(each) for each in drawn(5).take(range(5), "cpu")], tmp_path / "s.png", columns=3)

    assert Image.open(path).size == (3 * 66 - 2, 2 * 66 - 2)


def test_the_distance_of_two_normal_clouds_is_the_closed_form():
    torch.manual_seed(0)
    cloud = torch.randn(200_000, 3)
    # |m|² + (1 - 2)² + (1 - 3)² of clouds whose axes have deviations 1 and (1, 2, 3), 2 apart
    other = torch.randn(200_000, 3) * torch.tensor([1.0, 2.0, 3.0]) + torch.tensor([2.0, 0.0, 0.0])

    assert frechet(cloud, cloud) == pytest.approx(0, abs=1e-6)
    assert frechet(cloud, other) == pytest.approx(4 + 1 + 4, rel=0.02)


def test_scores_tell_real_pictures_from_noise_and_from_one_picture_again_and_again():
    scores = Scores(drawn(400, seed=1), drawn(200, seed=2))
    real, noise = drawn(200, seed=3), torch.randint(0, 256, (200, 1, 8, 8), dtype=torch.uint8)
    good, bad = scores.of(real.pixels, real.labels), scores.of(noise)
    collapsed = scores.of(real.pixels[:1].expand(200, -1, -1, -1))

    assert scores.reads > 0.95
    assert good["class_accuracy"] > 0.95
    assert good["picture_distance"] < bad["picture_distance"] / 20
    assert good["diversity"] == pytest.approx(1, abs=0.1)
    assert collapsed["diversity"] == pytest.approx(0, abs=1e-3)
    assert (good["class_coverage"], collapsed["class_coverage"]) == (1.0, 0.5)


def test_the_features_are_the_same_everywhere():
    # A digest of the network: a distance measured today is one measured in a year.
    features = Features().of(drawn(2).pixels)

    assert torch.equal(features, Features().of(drawn(2).pixels))
    assert features.shape == (2, 1536)
    assert features.mean().item() == pytest.approx(1.49880, rel=1e-4)


def test_a_reader_of_features_reads_what_it_has_learned():
    torch.manual_seed(0)
    labels = torch.randint(0, 3, (300,))
    features = torch.randn(300, 5) + 4 * torch.nn.functional.one_hot(labels, 5)

    assert (Reader.learn(features, labels, 3).read(features) == labels).float().mean() > 0.95
