"""XMP packets in files, read back by ourselves and by other readers."""

import wave
from dataclasses import fields
from pathlib import Path

import av
import pytest
from PIL import Image

from shared import labels, xmp
from shared.contents import content_hash

LABEL = labels.Label(ContentProducer="Werkstatt & Söhne <工坊>", ProduceID="job_1/image-1.png")


def made(folder: Path, media_type: str) -> Path:
    """A small file of that type."""
    path = folder / media_type.replace("/", ".")
    match media_type:
        case "image/png" | "image/jpeg":
            Image.linear_gradient("L").convert("RGB").save(path, media_type.split("/")[1])
        case "audio/wav":
            with wave.open(str(path), "w") as sound:
                sound.setparams((1, 2, 8000, 0, "NONE", ""))
                sound.writeframes(bytes(range(250)) * 3)
        case "video/mp4":
            with av.open(str(path), "w", format="mp4") as file:
                stream = file.add_stream("libx264", rate=5)
                stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p"
                for shade in range(5):
                    frame = av.VideoFrame.from_image(Image.new("RGB", (64, 32), (shade * 50, 0, 0)))
                    file.mux(stream.encode(frame))
                file.mux(stream.encode())
    return path


@pytest.mark.parametrize("media_type", xmp.MEDIA_TYPES)
def test_a_label_comes_back_and_the_content_stays(tmp_path: Path, media_type: str):
    # given a file without a label
    path = made(tmp_path, media_type)
    before = content_hash(path, media_type)
    assert xmp.extract(path) is None
    # when it is labelled
    xmp.embed(path, media_type, labels.packet(LABEL))
    # then the label can be read, with every name of the standard, and the content is what it was
    packet = xmp.extract(path)
    assert packet is not None
    found = labels.read(packet)
    assert found is not None
    assert found["Label"] == "1"
    assert (found["ContentProducer"], found["ProduceID"]) == (LABEL.ContentProducer, LABEL.ProduceID)
    assert set(found) == {field.name for field in fields(labels.Label)}
    assert content_hash(path, media_type) == before


def test_other_readers_find_the_packet_and_open_the_files(tmp_path: Path):
    files = {each: made(tmp_path, each) for each in xmp.MEDIA_TYPES}
    for media_type, path in files.items():
        xmp.embed(path, media_type, labels.packet(LABEL))
    with Image.open(files["image/png"]) as image:
        image.load()
        assert "AIGC" in image.info["XML:com.adobe.xmp"]
    with Image.open(files["image/jpeg"]) as image:
        image.load()
        assert b"AIGC" in image.info["xmp"]
    with wave.open(str(files["audio/wav"])) as sound:
        assert sound.getnframes() == 375
    with av.open(str(files["video/mp4"])) as film:
        assert sum(1 for _ in film.decode(video=0)) == 5


def test_what_is_not_of_the_form_is_refused(tmp_path: Path):
    path = tmp_path / "text"
    path.write_text("hello")
    for media_type in ("image/png", "image/jpeg", "audio/wav", "text/plain"):
        with pytest.raises(ValueError, match=r"This is no|cannot carry"):
            xmp.embed(path, media_type, b"x")
    with pytest.raises(ValueError, match="too long"):
        xmp.embed(path, "image/png", bytes(60_001))
    assert path.read_text() == "hello"


@pytest.mark.parametrize("media_type", xmp.MEDIA_TYPES)
def test_a_cut_off_file_has_no_packet_and_ends_the_search(tmp_path: Path, media_type: str):
    data = made(tmp_path, media_type).read_bytes()
    path = tmp_path / "cut"
    for end in (0, 4, 12, 13, 20, 40, len(data) // 2):
        path.write_bytes(data[:end])
        assert xmp.extract(path) is None


@pytest.mark.parametrize("packet", ["", "<TC260:AIGC></TC260:AIGC>", "<TC260:AIGC>[1]</TC260:AIGC>", "<TC260:AIGC>{"])
def test_a_packet_without_a_label_has_none(packet: str):
    assert labels.read(packet.encode()) is None


def test_the_hash_of_a_picture_is_of_its_pixels(tmp_path: Path):
    # given the same picture as PNG twice, with other compression and text, and another one
    image = Image.linear_gradient("L").convert("RGB")
    paths = [tmp_path / name for name in ("a.png", "b.png", "c.png")]
    image.save(paths[0])
    image.save(paths[1], compress_level=0)
    image.rotate(90).save(paths[2])
    # then the first two are one content
    first, second, third = (content_hash(path, "image/png") for path in paths)
    assert first == second != third


def test_the_hash_of_other_files_is_of_their_bytes(tmp_path: Path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"hello")
    assert content_hash(path, "text/plain") == "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
