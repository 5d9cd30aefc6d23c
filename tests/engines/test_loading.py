"""What is loaded, and what is refused: by the first bytes of the files, never by their names."""

import io
import json
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from shared.errors import JobError
from tests.engines.library import Library, source
from worker.engines.diffusion import load_pipeline
from worker.engines.language import language_model_size, load_language_model
from worker.engines.loading import model_file


class _Evil:
    def __reduce__(self) -> tuple:
        return (open, ("canary", "w"))


def _torch_zip() -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(_Evil()))
    return data.getvalue()


def _replace_weights(folder: Path, data: bytes, name: str = "model.safetensors") -> None:
    (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(data)


def _edit(file: Path, **changes: object) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


@pytest.fixture
def copied(library: Library, tmp_path: Path) -> Callable[[str], Path]:
    """A copy of a tiny model, to be spoiled."""

    def copy(name: str) -> Path:
        return Path(shutil.copytree(library[name].folder, tmp_path / "model"))

    return copy


@pytest.mark.parametrize(
    ("spoil", "code", "sentence"),
    [
        (lambda folder: _replace_weights(folder, pickle.dumps(_Evil()), "pytorch_model.bin"), "model_unsafe", "pickle"),
        (lambda folder: _replace_weights(folder, _torch_zip(), "pytorch_model.bin"), "model_unsafe", "pickle"),
        (lambda folder: _replace_weights(folder, _torch_zip(), "weights.data"), "model_unsafe", "pickle"),
        (lambda folder: _replace_weights(folder, pickle.dumps(_Evil())), "model_unsafe", "says it is safetensors"),
        (lambda folder: (folder / "modeling_x.py").write_text("import os"), "model_unsafe", "own Python code"),
        (lambda folder: _edit(folder / "config.json", auto_map={"AutoModel": "x.Y"}), "model_unsafe", "own Python"),
        (lambda folder: _edit(folder / "tokenizer_config.json", auto_map={"A": "x.Y"}), "model_unsafe", "own Python"),
        (lambda folder: _replace_weights(folder, b"\xff" * 100), "model_broken", "safetensors"),
        (lambda folder: _replace_weights(folder, b""), "model_broken", "safetensors"),
        (lambda folder: (folder / "model.safetensors").unlink(), "model_broken", "safetensors"),
        (lambda folder: (folder / "config.json").write_text("{"), "model_broken", "cannot be loaded"),
        (lambda folder: (folder / "config.json").unlink(), "model_broken", "cannot be loaded"),
        (lambda folder: _edit(folder / "config.json", n_embd=16), "model_broken", "configuration"),
        (lambda folder: _edit(folder / "config.json", model_type="mystery"), "model_broken", "cannot be loaded"),
        (shutil.rmtree, "model_missing", "not installed"),
    ],
)
def test_an_unfit_folder_is_refused_with_a_sentence(
    copied: Callable[[str], Path],
    spoil: Callable[[Path], None],
    code: str,
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
):
    # given a model that somebody has spoiled
    folder = copied("tiny-gpt2")
    monkeypatch.chdir(folder.parent)
    spoil(folder)
    # when it is loaded, then the reason is told and no code of its author has run
    with pytest.raises(JobError) as caught:
        load_language_model(source("spoiled", folder), "cpu")
    assert caught.value.code == code
    assert sentence in str(caught.value)
    assert not (folder.parent / "canary").exists()


def test_truncated_weights_are_refused(copied: Callable[[str], Path]):
    folder = copied("tiny-gpt2")
    weights = (folder / "model.safetensors").read_bytes()
    _replace_weights(folder, weights[: len(weights) // 2])
    with pytest.raises(JobError) as caught:
        load_language_model(source("half", folder), "cpu")
    assert caught.value.code == "model_broken"


def test_missing_weights_are_not_made_up(copied: Callable[[str], Path]):
    folder = copied("tiny-gpt2")
    weights = load_file(folder / "model.safetensors")
    del weights["transformer.h.1.mlp.c_fc.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(JobError, match="lacks weights"):
        load_language_model(source("holes", folder), "cpu")


def test_a_pickle_beside_safetensors_is_left_unread(copied: Callable[[str], Path]):
    folder = copied("tiny-gpt2")
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(_Evil()))
    assert load_language_model(source("both", folder), "cpu").window == 96


@pytest.mark.parametrize("part", [["os", "system"], ["unet/evil", "Evil"], ["subprocess", "Popen"]])
def test_a_pipeline_with_foreign_parts_is_refused(copied: Callable[[str], Path], part: list[str]):
    folder = copied("tiny-sd")
    _edit(folder / "model_index.json", unet=part)
    with pytest.raises(JobError) as caught:
        load_pipeline(source("foreign", folder), "cpu")
    assert caught.value.code == "model_unsafe"


def test_a_pipeline_part_that_is_a_pickle_is_refused(copied: Callable[[str], Path]):
    folder = copied("tiny-sd")
    (folder / "vae" / "diffusion_pytorch_model.safetensors").write_bytes(pickle.dumps(_Evil()))
    with pytest.raises(JobError) as caught:
        load_pipeline(source("pickled", folder), "cpu")
    assert caught.value.code == "model_unsafe"


def test_a_language_model_is_no_pipeline(library: Library):
    with pytest.raises(JobError) as caught:
        load_pipeline(library["tiny-gpt2"], "cpu")
    assert caught.value.code == "model_unsupported"


@pytest.mark.parametrize(("file", "data"), [("a.gguf", b"\x80\x04."), ("a.gguf", b""), ("a.gguf", b"PK\x03\x04")])
def test_a_file_must_be_what_its_name_says(tmp_path: Path, file: str, data: bytes):
    (tmp_path / file).write_bytes(data)
    with pytest.raises(JobError) as caught:
        load_language_model(source("liar", tmp_path, file=file), "cpu")
    assert caught.value.code == "model_broken"


def test_a_file_that_is_gone_is_not_installed(tmp_path: Path):
    with pytest.raises(JobError) as caught:
        model_file(source("gone", tmp_path, file="gone.gguf"), ".gguf")
    assert caught.value.code == "model_missing"


def test_the_size_is_known_before_loading(library: Library):
    lm = load_language_model(library["tiny-gpt2"], "cpu")
    loaded = sum(tensor.nbytes for tensor in lm.model.parameters())
    assert loaded <= language_model_size(library["tiny-gpt2"]) <= 1.1 * loaded
