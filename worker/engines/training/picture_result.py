"""What a kind that trains on pictures has in common with the others: reading its dataset, and its model's folder."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors.torch import save_file
from torch import nn

from worker.engines.networks.shapes import PictureConfig
from worker.engines.training.pictures import Pictures, Reading, read_pictures

if TYPE_CHECKING:
    from shared.dataset import DatasetSource


def read_dataset(
    data: "DatasetSource", reading: Reading, tick: Callable[[], None], *, classes: bool = True
) -> tuple[Pictures, Pictures]:
    """The pictures to learn from, and those held out: of the validation split, or of the test split without one."""
    pictures = read_pictures(data.folder, data.rows("train"), reading, tick)
    held = read_pictures(data.folder, data.rows("validation") or data.rows("test"), reading, tick, like=pictures)
    return (pictures, held) if classes else (pictures.unclassed(), held.unclassed())


def captioned(pictures: Pictures, prompt: str | None = None) -> Pictures:
    """The pictures with captions: their own or the names of their classes, or `prompt` with these in place of {}."""
    said: Sequence[str] = pictures.captions
    if pictures.labels is not None:
        said = [pictures.classes[label] for label in pictures.labels.tolist()]
    if not said:
        said = [""] * len(pictures)
    captions = [prompt.replace("{}", each) if prompt else each for each in said]
    return replace(pictures.unclassed(), captions=captions)


def save_network(network: nn.Module, kind: str, config: PictureConfig, folder: Path) -> Path:
    """A folder of one of our own networks: `config.json`, and `model.safetensors` as it was trained."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    save_file(weights, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"model_type": kind} | asdict(config), indent=1))
    return folder


def described(folder: Path, about: Mapping[str, Any]) -> Path:
    """The folder with what generating kinds should know of the model."""
    (folder / "atelier.json").write_text(json.dumps(about, indent=1, ensure_ascii=False))
    return folder
