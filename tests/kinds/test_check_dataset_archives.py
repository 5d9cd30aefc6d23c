"""Archives: those that mean harm are refused whole, of others every bad file is named."""

import io
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from shared.errors import Invalid, JobError
from shared.intake import decoder, formats
from shared.intake.caps import Caps
from tests.kinds.context import FakeContext, run
from tests.kinds.test_check_dataset import Checked

Context = Callable[..., FakeContext]
_RATE = 8000


def picture(number: int, side: int = 32) -> bytes:
    pixels = np.random.default_rng(number).integers(0, 255, (side, side, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def sound(number: int) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.random.default_rng(number).normal(scale=0.1, size=_RATE), _RATE, format="WAV")
    return file.getvalue()


def zipped(files: dict[str, bytes], **options: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", options.get("method", zipfile.ZIP_DEFLATED)) as made:
        for name, content in files.items():
            made.writestr(name, content)
    return file.getvalue()


def entry(name: str, mode: int = 0o100644, content: bytes = b"x") -> bytes:
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, mode << 16
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr(info, content)
    return file.getvalue()


def changed(name: bytes, into: bytes) -> bytes:
    """An archive whose one file has another name, as bytes."""
    return entry(name.decode()).replace(name, into)


def locked() -> bytes:
    content = bytearray(entry("a.txt"))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


def overlapping() -> bytes:
    """Two names for the bytes of one file."""
    content = entry("a.txt", content=b"hello") + b""
    start = content.index(b"PK\x01\x02")
    end = content.index(b"PK\x05\x06")
    directory = content[start:end]
    other = directory.replace(b"a.txt", b"b.txt")
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 2, 2, len(directory) * 2, start, 0)
    return content[:start] + directory + other + tail


def lying() -> bytes:
    """A file that says it is smaller than it is."""
    content = bytearray(zipped({"a.txt": b"a" * 1000}))
    at = content.index(b"PK\x01\x02") + 24
    content[at : at + 4] = struct.pack("<L", 10)
    return bytes(content)


HOSTILE = {
    "traversal": (zipped({"../a.txt": b"x"}), "leaves its folder: '../a.txt'"),
    "inner traversal": (zipped({"a/../../a.txt": b"x"}), "leaves its folder"),
    "absolute": (zipped({"/etc/passwd": b"x"}), "leaves its folder: '/etc/passwd'"),
    "drive": (entry("C:/a.txt"), "leaves its folder"),
    "backslash": (changed(b"a_b.txt", b"a\\b.txt"), "leaves its folder"),
    "link": (entry("a.txt", 0o120777, b"/etc/passwd"), "a link or a device: 'a.txt'"),
    "device": (entry("a.txt", 0o020666), "a link or a device"),
    "bomb by ratio": (zipped({"a.txt": bytes(20 << 20)}), "'a.txt' unpacks to far more"),
    "bomb by total": (zipped({f"{n}.txt": b"x" * 400_000 for n in range(8)}), "unpacks to more than 2 MB"),
    "lying size": (lying(), "cannot be read"),
    "nested by name": (zipped({"a.tar": b"x"}), "another archive: 'a.tar'"),
    "nested by content": (zipped({"a.png": zipped({"b": b"x"})}), "another archive: 'a.png'"),
    "encrypted": (locked(), "'a.txt' in the archive is encrypted"),
    "twice": (zipped({"a.txt": b"x", "b.txt": b"y"}).replace(b"b.txt", b"a.txt"), "'a.txt' twice"),
    "case": (zipped({"A.txt": b"x", "a.txt": b"y"}), "differ in case alone"),
    "within a file": (zipped({"a": b"x", "a/b": b"y"}), "lies within a file"),
    "too many": (zipped({f"{n}.txt": b"x" for n in range(101)}), "101 files; 100 are the most"),
    "not UTF-8": (changed(b"abc.txt", b"a\xff\xfe.txt"), "not UTF-8"),
    "control": (changed(b"abc.txt", b"a\x1bc.txt"), "not printable"),
    "overlapping": (overlapping(), "overlap"),
    "behind": (entry("a.txt") + b"more", "behind the end"),
    "before": (b"PK\x03\x04" + b"#!" + entry("a.txt"), "before the beginning"),
    "cut": (zipped({"a.png": picture(1)})[:-30], "cannot be read"),
    "foreign method": (zipped({"a.txt": b"x" * 100}, method=zipfile.ZIP_BZIP2), "compressed in a way"),
    "empty": (zipped({}), "no files"),
}  # fmt: skip

_CAPS = Caps(archive_total=2 << 20, archive_files=100)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_is_refused_whole_with_a_sentence(tmp_path: Path, name: str):
    content, told = HOSTILE[name]
    path = tmp_path / "sent"
    path.write_bytes(content)
    (tmp_path / "made").mkdir()
    caps = _CAPS if "ratio" not in name else Caps()
    with pytest.raises(Invalid) as caught:
        decoder.decode(path, formats.tell(path, "data.zip", ""), tmp_path / "made", caps)
    assert caught.value.code == "bad_archive"
    assert told in str(caught.value)


def test_an_upload_is_written_anew_without_what_systems_leave(tmp_path: Path):
    path = tmp_path / "sent"
    path.write_bytes(zipped({"b/ä.txt": b"x", "a.txt": b"y", "__MACOSX/._a.txt": b"z", ".DS_Store": b"z"}))
    made = decoder.decode(path, formats.tell(path, "data.zip", ""), tmp_path, Caps())
    with zipfile.ZipFile(tmp_path / made.file) as archive:
        assert archive.namelist() == ["a.txt", "b/ä.txt"]
    assert made.meta == {"files": 2, "unpacked": 2}


def checked(context: Context, files: dict[str, bytes], **params: object) -> Checked:
    ctx = context()
    ctx.models = {}
    path = ctx.workdir.parent / "data.zip"
    path.write_bytes(zipped(files))
    source = ctx.give(path, "application/zip")
    run("check_dataset", ctx, **{"name": "data", "source": source, "validation": 0.0, **params})
    return Checked(ctx)


def test_a_hostile_archive_of_a_job_is_refused_by_the_doctor(context: Context):
    with pytest.raises(JobError, match="leaves its folder") as caught:
        checked(context, {"../a.png": picture(1)})
    assert caught.value.code == "bad_archive"


def test_class_folders_are_labels(context: Context):
    files = {f"pets/{label}/{number}.png": picture(number) for number, label in enumerate(["cat", "dog"] * 5)}
    files |= {"pets/cat/bad.png": b"\x89PNG\r\n\x1a\nno", "pets/dog/copy.png": files["pets/dog/1.png"]}
    files |= {"pets/cat/small.png": picture(99, 4), "pets/readme.bin": b"\0\1\2"}
    done = checked(context, files, validation=0.2)
    assert done.report["format"] == "classed"
    assert set(done.told) >= {
        ("pets/cat/bad.png", "unreadable"),
        ("pets/dog/copy.png", "duplicate"),
        ("pets/cat/small.png", "too_small"),
        ("pets/readme.bin", "not_of_use"),
    }
    assert done.report["splits"] == {"train": 8, "validation": 2, "test": 0}
    row = done.rows()[0]
    assert row["label"] == "cat"
    with zipfile.ZipFile(io.BytesIO(done.archive)) as archive:
        with Image.open(archive.open(row["file"])) as opened:
            assert opened.size == (32, 32)
        assert len([name for name in archive.namelist() if name.startswith("files/")]) == 10


def test_a_table_says_the_captions(context: Context):
    table = [
        {"file_name": "a.png", "text": "a red house"}, {"file_name": "b.png", "text": ""},
        {"file_name": "c.png", "text": "nothing"}, {"file_name": "a.png", "text": "again"},
    ]  # fmt: skip
    lines = b"".join(json.dumps(row).encode() + b"\n" for row in table) + b"{\n"
    files = {"metadata.jsonl": lines, "a.png": picture(1), "b.png": picture(2), "d.png": picture(3)}
    done = checked(context, files, copies=1)
    assert done.report["format"] == "captioned"
    assert sorted(told for told in done.told if told[1] != "few_rows") == [
        ("b.png", "empty_field"),
        ("d.png", "caption_missing"),
        ("metadata.jsonl:3", "file_missing"),
        ("metadata.jsonl:4", "file_twice"),
        ("metadata.jsonl:5", "not_json"),
    ]
    assert [row["caption"] for row in done.rows()] == ["a red house", "a red house"]
    with zipfile.ZipFile(io.BytesIO(done.archive)) as archive:
        one, mirrored = (np.asarray(Image.open(archive.open(row["file"]))) for row in done.rows())
    assert (one[:, ::-1] == mirrored).all()


def test_texts_beside_pictures_are_captions_and_folders_may_name_splits(context: Context):
    files = {
        f"{split}/{number}.png": picture(number) for number, split in enumerate(["train", "train", "test", "train"])
    }
    files |= {name.replace(".png", ".txt"): f"picture {name}".encode() for name in files if not name.endswith("0.png")}
    files["test/copy.png"], files["test/copy.txt"] = files["train/1.png"], b"the same"
    done = checked(context, files)
    assert done.report["format"] == "captioned"
    assert ("train/0.png", "caption_missing") in done.told
    assert ("train/1.png", "leakage") in done.told
    assert [row["caption"] for row in done.rows("test")] == ["picture test/2.png", "the same"]


def test_sounds_with_transcripts(context: Context):
    table = b"file_name,text\na.wav,one two\nb.wav,three\n"
    files = {"metadata.csv": table, "a.wav": sound(1), "b.wav": b"RIFF\x10\0\0\0WAVEjunk"}
    done = checked(context, files)
    assert done.report["format"] == "transcribed"
    assert ("b.wav", "unreadable") in done.told
    (row,) = done.rows()
    assert row["text"] == "one two"
    with zipfile.ZipFile(io.BytesIO(done.archive)) as archive:
        samples, rate = soundfile.read(io.BytesIO(archive.read(row["file"])))
    assert (len(samples), rate) == (_RATE, _RATE)


def test_sounds_without_transcripts_are_told(context: Context):
    with pytest.raises(JobError, match="have no transcripts"):
        checked(context, {"a.wav": sound(1)})


def test_the_same_archive_is_the_same_dataset(context: Context):
    files = {f"{label}/{number}.png": picture(number) for number, label in enumerate(["cat", "dog"] * 3)}
    one, same = (checked(context, files, copies=1) for _ in range(2))
    assert one.archive == same.archive
