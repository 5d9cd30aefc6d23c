"""Reading models: batches by length, windows, adapters, and what must not be loaded."""

import shutil
from pathlib import Path

import pytest
import torch
from transformers import AutoModel, AutoModelForSequenceClassification

from shared.errors import JobError
from tests.engines.library import Library, source
from worker.engines.encoders import Encoder, batches, load_encoder


def _load(library: Library, name: str) -> Encoder:
    found = library[name]
    return load_encoder(found, library[found.base] if found.base else None, "cpu")


def test_batches_hold_every_row_once_and_no_more_than_fit():
    lengths = [5, 700, 3, 3, 700, 700, 5, 2048, 9]
    groups = list(batches(lengths))
    assert sorted(index for group in groups for index in group) == list(range(9))
    assert groups[0] == [7]
    assert all(len(group) * lengths[group[0]] <= 2048 for group in groups)
    assert list(batches([5000])) == [[0]]
    assert list(batches([])) == []


@pytest.mark.parametrize("name", ["tiny-bert", "tiny-roberta"])
def test_a_vector_is_the_mean_of_the_bare_models_features(library: Library, name: str):
    # given a text alone in the bare library
    encoder = _load(library, name)
    bare = AutoModel.from_pretrained(library[name].folder).eval()
    with torch.inference_mode():
        hidden = bare(**encoder.tokenizer("the cat", return_tensors="pt")).last_hidden_state
    # then the engine gives the same alone, and nearly the same beside a longer one
    alone = encoder.vectors(encoder.tokens(["the cat"]))
    beside = encoder.vectors(encoder.tokens(["the cat", "in the very long sentence, that has more."]))
    assert (alone - hidden.mean(1)).abs().max() <= 1e-6
    assert (beside[0] - alone[0]).abs().max() <= 1e-5


@pytest.mark.parametrize(("name", "window"), [("tiny-bert", 48), ("tiny-roberta", 48), ("tiny-distil", 48)])
def test_a_text_is_cut_where_the_model_ends(library: Library, name: str, window: int):
    encoder = _load(library, name)
    assert len(encoder.tokens(["x " * 300])[0]) == encoder.window == window


def test_robertas_window_leaves_room_for_its_padding(library: Library):
    encoder = _load(library, "tiny-roberta")
    encoder.tokenizer.model_max_length = 10**30
    again = load_encoder(library["tiny-roberta"], None, "cpu")
    assert again.window == 48
    assert encoder.model.embeddings.padding_idx == 0


def test_the_first_tokens_vector_is_taken_where_the_folder_says_so(library: Library, tmp_path: Path):
    folder = tmp_path / "cls"
    shutil.copytree(library["tiny-bert"].folder, folder)
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}')
    encoder = load_encoder(source("cls", folder, task="feature-extraction"), None, "cpu")
    with torch.inference_mode():
        hidden = encoder.model(**encoder.tokenizer("cat", return_tensors="pt")).last_hidden_state
    assert torch.equal(encoder.vectors(encoder.tokens(["cat"])), hidden[:, 0])


@pytest.mark.parametrize("name", ["tiny-judge", "tiny-distil", "tiny-roberta-judge"])
def test_the_head_says_what_the_bare_model_says(library: Library, name: str):
    encoder = _load(library, name)
    bare = AutoModelForSequenceClassification.from_pretrained(library[name].folder).eval()
    ids = torch.tensor(encoder.tokens(["the cat"]))
    with torch.inference_mode():
        assert torch.equal(encoder.logits(ids.tolist()), bare(ids).logits)
    assert encoder.labels == ("bad", "so so", "good")


def test_an_adapter_is_what_peft_makes_of_it(library: Library):
    # given the adapter through peft's own door
    from peft import PeftModel
    from transformers import AutoConfig

    folder = library["tiny-adapter"].folder
    base = AutoModelForSequenceClassification.from_pretrained(
        library["tiny-bert"].folder, config=AutoConfig.from_pretrained(folder)
    )
    theirs = PeftModel.from_pretrained(base, folder).eval()
    # then the engine's logits are the same
    encoder = _load(library, "tiny-adapter")
    ids = torch.tensor(encoder.tokens(["the cat"]))
    with torch.inference_mode():
        assert (encoder.logits(ids.tolist()) - theirs(ids).logits).abs().max() <= 1e-6
    assert encoder.labels == ("bad", "so so", "good")


def test_a_head_that_nobody_brings_is_missed(library: Library, tmp_path: Path):
    # given a folder of features that is said to label texts, and an adapter whose head is gone
    bare = source("headless", library["tiny-bert"].folder, task="text-classification")
    folder = tmp_path / "adapter"
    shutil.copytree(library["tiny-adapter"].folder, folder)
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "adapter_model.safetensors")
    save_file({k: v for k, v in weights.items() if "classifier" not in k}, folder / "adapter_model.safetensors")
    adapter = source("broken", folder, task="text-classification")
    # then neither is filled with random numbers
    for found, base in ((bare, None), (adapter, library["tiny-bert"])):
        with pytest.raises(JobError, match="lacks weights") as caught:
            load_encoder(found, base, "cpu")
        assert caught.value.code == "model_broken"
