"""What is taught by real workers: of every format a dataset, of every kind that trains a tiny model, and its use."""

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared import uploads
from shared.intake.caps import Caps
from shared.uploads import Arrived
from tests.kinds.samples import pictures, rows
from tests.worker.orders import Order
from tests.worker.workshop import Workshop

FORMATS = ("text", "chat", "preference", "labelled", "entities", "captioned", "classed")
_FEW = {"steps": 3, "evaluations": 1, "checkpoint_s": 1.0, "seed": 1}
_SMALL = {"size": 8, "width": 8, "batch_size": 8}


@dataclass(frozen=True)
class Lesson:
    """A training on a dataset of this format, and a job that uses what came of it (`model` says by which field)."""

    kind: str
    format: str
    params: dict[str, Any]
    use: str
    asked: dict[str, Any]
    adapter: bool = False

    @property
    def name(self) -> str:
        """Of the model that comes of it."""
        return self.kind.replace("_", "-")

    def order(self) -> Order:
        """The training."""
        params = {"name": self.name, "dataset": self.format, **_FEW, **self.params}
        return Order("tiny", self.kind, params, ())

    def order_use(self) -> Order:
        """The job that names its result."""
        named: dict[str, Any] = {"model": self.name}
        if self.adapter:
            named = {"model": self.params["model"], "adapters": [{"model": self.name, "weight": 1.0}]}
        return Order(f"with {self.name}", self.use, {**self.asked, **named}, ())


_WRITE = {"prompt": "hello", "max_new_tokens": 4, "seed": 1}
_TEXTS = {"texts": ["the soup was good"]}
LESSONS = (
    Lesson("train_causal_lm", "chat", {"base": "tiny-llama", "rank": 4}, "generate_text", _WRITE),
    Lesson("train_preference", "preference", {"base": "tiny-llama", "rank": 4}, "generate_text", _WRITE),
    Lesson("train_rnn_lm", "text", {"width": 32, "layers": 1}, "generate_text", _WRITE),
    Lesson(
        "train_masked_lm", "text", {"base": None, "max_length": 32, "width": 32, "layers": 1}, "embed_text", _TEXTS
    ),
    Lesson("train_classifier", "labelled", {"base": "tiny-bert"}, "classify_text", _TEXTS),
    Lesson("train_token_classifier", "entities", {"base": "tiny-bert"}, "tag_entities", _TEXTS),
    Lesson("train_vae", "classed", {**_SMALL, "latent": 4}, "sample_image", {"label": "red", "seed": 1}),
    Lesson("train_gan", "classed", {**_SMALL, "latent": 4}, "sample_image", {"label": "red", "seed": 1}),
    Lesson(
        "train_diffusion", "classed", {**_SMALL, "scored": 0}, "sample_image", {"label": "red", "steps": 2, "seed": 1},
    ),
    Lesson(
        "train_diffusion_lora", "captioned", {"model": "tiny-sd", "rank": 4, "batch_size": 2, "compared": 0},
        "generate_image", {"prompt": "a red square", "steps": 2, "width": 32, "height": 32, "seed": 1}, adapter=True,
    ),
)  # fmt: skip


def send(shop: Workshop, folder: Path) -> tuple[Order, ...]:
    """Upload a file of each format; the orders of their checks."""
    orders = []
    for format_ in FORMATS:
        path = _archive(format_, folder) if "file" in rows(format_, 1)[0] else _lines(format_, folder)
        arrived = Arrived(path, name=path.name)
        sent = uploads.keep(shop.fleet.db, shop.storage, shop.fleet.owner.id, arrived, Caps()).artifact
        params = {"name": format_, "source": sent.id, "format": format_, "validation": 0.2, "seed": 1}
        orders.append(Order(format_, "check_dataset", params | {"model": "tiny-llama"}, ()))
    return tuple(orders)


def _lines(format_: str, folder: Path) -> Path:
    path = folder / f"{format_}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows(format_)))
    return path


def _archive(format_: str, folder: Path) -> Path:
    path = folder / f"{format_}.zip"
    described = rows(format_)
    with zipfile.ZipFile(path, "w") as packed:
        for row in described:
            name = Path(row["file"]).name
            inside = f"{row['label']}/{name}" if format_ == "classed" else name
            packed.writestr(inside, pictures(len(described))[row["file"]])
        if format_ == "captioned":
            told = (json.dumps({"file_name": Path(row["file"]).name, "text": row["caption"]}) for row in described)
            packed.writestr("metadata.jsonl", "\n".join(told))
    return path
