from dataclasses import replace
from pathlib import Path

import pytest

from shared.errors import JobError
from tests.engines.library import source
from worker.engines.unpacking import unpacked_gguf


def test_a_file_that_was_unpacked_is_not_read_again(tmp_path: Path):
    # given a file (too short to be read) that an earlier job has unpacked
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    (tmp_path / "cache" / "fp32").mkdir(parents=True)
    (tmp_path / "cache" / "fp32" / "config.json").write_text("{}")
    # then the folder is taken as it is
    model = replace(source("m", tmp_path, file="m.gguf"), cache=tmp_path / "cache")
    assert unpacked_gguf(model) == tmp_path / "cache" / "fp32"


@pytest.mark.parametrize("data", [b"GGUF", b"GGUF\x03\x00\x00\x00" + b"\xff" * 64])
def test_a_broken_file_is_told_and_leaves_nothing_behind(tmp_path: Path, data: bytes):
    (tmp_path / "m.gguf").write_bytes(data)
    with pytest.raises(JobError) as caught:
        unpacked_gguf(replace(source("m", tmp_path, file="m.gguf"), cache=tmp_path / "cache"))
    assert caught.value.code == "model_broken"
    assert list((tmp_path / "cache").iterdir()) == []
