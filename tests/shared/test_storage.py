"""The object store: the same behaviour from a local folder and from a real S3-protocol server."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from shared.errors import NotFound, Unavailable
from shared.storage import CHUNK, Storage, fingerprint


@pytest.fixture(params=["file", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "file":
        return Storage(f"file://{tmp_path}/a folder%20with".replace(" ", "%20"))
    return Storage(request.getfixturevalue("s3_url"))


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    path = tmp_path / "sample.bin"
    path.write_bytes(bytes(range(256)) * (CHUNK // 64))
    return path


def test_what_is_put_comes_back_whole_and_by_range(storage: Storage, sample: Path) -> None:
    content = sample.read_bytes()
    storage.put("own_a/ab/cd", sample)
    assert b"".join(storage.stream("own_a/ab/cd")) == content
    assert b"".join(storage.stream("own_a/ab/cd", 5, 12)) == content[5:12]
    assert b"".join(storage.stream("own_a/ab/cd", len(content) - 3)) == content[-3:]
    assert storage.exists("own_a/ab/cd")
    assert list(storage.keys()) == ["own_a/ab/cd"]


def test_a_fetched_file_is_checked_against_its_hash(storage: Storage, sample: Path, tmp_path: Path) -> None:
    storage.put("own_a/x", sample)
    storage.fetch("own_a/x", tmp_path / "copy", fingerprint(sample).sha256)
    assert (tmp_path / "copy").read_bytes() == sample.read_bytes()
    with pytest.raises(Unavailable, match="damaged"):
        storage.fetch("own_a/x", tmp_path / "bad", "0" * 64)
    assert not (tmp_path / "bad").exists()


def test_what_is_not_there_is_not_found_and_may_be_deleted(storage: Storage, sample: Path) -> None:
    with pytest.raises(NotFound):
        list(storage.stream("own_a/none"))
    storage.delete("own_a/none")
    storage.put("own_a/x", sample)
    storage.delete("own_a/x")
    assert not storage.exists("own_a/x")


def test_a_key_cannot_leave_the_store(storage: Storage, sample: Path) -> None:
    with pytest.raises((ValueError, Unavailable)):
        storage.put("../outside", sample)


def test_the_same_content_may_be_put_twice(storage: Storage, sample: Path) -> None:
    storage.put("own_a/x", sample)
    storage.put("own_a/x", sample)
    assert b"".join(storage.stream("own_a/x")) == sample.read_bytes()


def test_an_unreachable_store_is_reported_not_waited_for(
    tmp_path: Path, sample: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    with pytest.raises(Unavailable):
        Storage("s3://bucket/prefix").put("own_a/x", sample)


def test_only_files_and_s3_are_stores() -> None:
    with pytest.raises(ValueError, match="file:///"):
        Storage("ftp://host/x")


def test_fingerprint_is_size_and_sha256(sample: Path) -> None:
    content = sample.read_bytes()
    assert fingerprint(sample) == type(fingerprint(sample))(len(content), hashlib.sha256(content).hexdigest())


_LARGE = """
import re, sys
from pathlib import Path
from shared.storage import Storage, fingerprint
url, folder, megabytes = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
large = folder / "large.bin"
with large.open("wb") as file:
    file.truncate(megabytes << 20)
store = Storage(url)
store.put("own_a/big", large)
store.fetch("own_a/big", folder / "back.bin", fingerprint(large).sha256)
store.delete("own_a/big")
# The kernel's own high-water mark; getrusage would include the parent's before the fork.
print(int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024)
"""


def test_a_large_artifact_is_streamed_in_little_memory(storage: Storage, tmp_path: Path) -> None:
    # A gigabyte where it is quick; through the S3 server enough to tell streaming from holding.
    megabytes = 1024 if storage.folder else 320
    command = [sys.executable, "-c", _LARGE, storage.url, str(tmp_path), str(megabytes)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=170, check=False)
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) < 200, "megabytes of memory at most"
