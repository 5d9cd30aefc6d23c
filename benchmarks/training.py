"""What a training costs over a bare torch loop, what packing gains, and what checkpoints take of its time."""

import io
import random
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from PIL import Image

from benchmarks import bare_loops
from benchmarks.bare_loops import Step
from benchmarks.installation import Installation
from benchmarks.overhead import Figure, Took, ran
from benchmarks.reference.house import House, lines
from shared.kinds.training_params import Training
from worker.attempt import Attempt

_PAIRS = 3
_WORDS = (
    "the", "house", "in", "old", "wood", "by", "river", "and", "sea", "with", "his", "new", "red", "book", "on", "for",
    "table", "all", "that", "day", "at", "night",
)  # fmt: skip
_BRIEF = {"evaluations": 1, "keep_best": False, "seed": 1}
LETTERS = {
    "base": None, "method": "full", "tokens": "characters", "join_texts": True, "layers": 4, "heads": 4, "width": 128,
    "max_length": bare_loops.LETTERS[1], "batch_size": bare_loops.LETTERS[0],
}  # fmt: skip
_LORA = {"join_texts": True, "max_length": bare_loops.LORA_TOKENS[1], "batch_size": bare_loops.LORA_TOKENS[0]}
_DIFFUSION = {
    "size": bare_loops.SIDE, "width": bare_loops.WIDTH, "batch_size": bare_loops.PICTURES, "scored": 0,
}  # fmt: skip
#: Seconds between checkpoints by default, and the share of the time beyond which the loop puts them further apart.
_APART_S, _SHARE = Training.model_fields["checkpoint_s"].default, 0.04


@dataclass(frozen=True)
class _Case:
    """A training and the bare loop that does the same; how many steps of each are measured."""

    kind: str
    params: dict[str, Any]
    bare: Any
    steps: int


_CASES = {
    "letters": _Case("train_causal_lm", LETTERS | {"dataset": "texts"}, bare_loops.letters, 250),
    "classifier_lora": _Case("train_classifier", {"dataset": "labels"}, bare_loops.classifier, 60),
    "diffusion": _Case("train_diffusion", _DIFFUSION | {"dataset": "pictures"}, bare_loops.diffusion, 120),
    "smollm2_lora": _Case("train_causal_lm", _LORA | {"dataset": "texts"}, bare_loops.lora, 25),
}


def steps(place: Installation) -> Iterator[Figure]:
    """A step of a training job over one of a bare loop: same model, optimiser, batch size and lengths.

    Ours also keeps curves, tells its progress, hears wishes, and has a worker's pulse beside it. The two take turns,
    step by step, so that whatever else the machine does hits both.
    """
    house = House(place)
    house.dataset("texts", texts(house.folder / "texts.jsonl"), format="text", validation=0.02)
    house.dataset("labels", _labels(house.folder / "labels.jsonl"), format="labelled", validation=0.02)
    house.dataset("pictures", _pictures(house.folder / "pictures.zip"), format="classed", validation=0.02)
    for name, case in _CASES.items():
        step = case.bare(place)
        step()
        floors: list[Took] = []
        asked = {"name": "measured", "steps": case.steps + 1, **_BRIEF, **case.params}
        with _spans(partial(_measure, step, floors)) as spans:
            ran(place, case.kind, asked)
        pairs = list(zip(spans, floors[-len(spans) :], strict=True))
        yield {
            "figure": f"step_{name}_ms",
            "bare": round(1000 * statistics.median(bare.wall for _, bare in pairs), 1),
            "ours": round(1000 * statistics.median(ours.wall for ours, _ in pairs), 1),
            "ratio": round(statistics.median(ours.wall / bare.wall for ours, bare in pairs), 3),
            "cpu_ratio": round(statistics.median(ours.cpu / bare.cpu for ours, bare in pairs), 3),
            "target": "<= 1.05",
        }


def packing(place: Installation) -> Iterator[Figure]:
    """Tokens a second in training on short ragged examples: side by side in strips, over each by itself."""
    house = House(place)
    house.dataset("ragged", _ragged(house.folder / "ragged.jsonl"), format="text", validation=0.02)
    rates: dict[bool, list[Took]] = {False: [], True: []}
    for number in range(_PAIRS):
        for packed in (False, True) if number % 2 else (True, False):
            rates[packed].append(_per_token(house, packed=packed))
    pairs = list(zip(rates[False], rates[True], strict=True))
    yield {
        "figure": "packing_tokens_per_s",
        "unpacked": round(1 / statistics.median(each.wall for each in rates[False])),
        "packed": round(1 / statistics.median(each.wall for each in rates[True])),
        "gain": round(statistics.median(alone.wall / packed.wall for alone, packed in pairs), 2),
        "cpu_gain": round(statistics.median(alone.cpu / packed.cpu for alone, packed in pairs), 2),
        "target": "> 1",
    }


def checkpoints(place: Installation) -> Iterator[Figure]:
    """Seconds of a checkpoint, the object store included, and what share of a run it is at the default interval."""
    house = House(place)
    house.dataset("texts", texts(house.folder / "texts.jsonl"), format="text", validation=0.02)
    for name, params, count in (
        ("letters", LETTERS, 60), ("smollm2_lora", _LORA, 3),
        ("smollm2_full", _LORA | {"method": "full", "learning_rate": 1e-5}, 3),
    ):  # fmt: skip
        asked = {"name": "kept", "dataset": "texts", "steps": count, "checkpoint_s": 1, **_BRIEF}
        with _saves() as saved:
            for _ in range(1 if "full" in name else 3):
                ran(place, "train_causal_lm", params | asked)
        took = statistics.median(saved)
        apart = max(_APART_S, took / _SHARE)
        yield {
            "figure": f"checkpoint_{name}_s",
            "value": round(took, 3),
            "apart": round(apart, 1),
            "share": round(took / (took + apart), 4),
            "target": "share <= 0.05",
        }


def _measure(step: Step, floors: list[Took]) -> None:
    """Take a step of a bare loop, and write down what it took."""
    wall, cpu = time.perf_counter(), time.process_time()
    step()
    floors.append(Took(time.perf_counter() - wall, time.process_time() - cpu))


def _per_token(house: House, *, packed: bool) -> Took:
    """What a token of an epoch costs. A step has as many tokens either way: some five examples lie in a strip."""
    shape = {
        "base": None, "method": "full", "architecture": "llama", "tokens": "bpe", "vocabulary": 300, "layers": 4,
        "heads": 4, "width": 128, "max_length": 128, "epochs": 1, "batch_size": 4 if packed else 20,
    }  # fmt: skip
    with _spans() as spans:
        report = house.trained("train_causal_lm", name="packed", dataset="ragged", packing=packed, **(shape | _BRIEF))
    each, mean = report["data"]["tokens"] / (len(spans) + 1), _mean(spans)
    return Took(mean.wall / each, mean.cpu / each)


@contextmanager
def _spans(between: Callable[[], object] = lambda: None) -> Iterator[list[Took]]:
    """What each step of the training in here took, but the first: all between two steps, without its samples.

    After each `between` is called, which counts for none.
    """
    told, shown = Attempt.progress, Attempt.save_artifact
    spans: list[Took] = []
    before: list[Took] = []

    def now() -> Took:
        return Took(time.perf_counter(), time.process_time())

    def progress(self: Attempt, done: int, total: int | None, note: str = "", text: str | None = None) -> None:
        told(self, done, total, note, text)
        if note.startswith("Loss"):
            spans.extend(Took(now().wall - last.wall, now().cpu - last.cpu) for last in before)
            between()
            before[:] = [now()]

    def save_artifact(self: Attempt, *args: Any, **meta: Any) -> None:
        shown(self, *args, **meta)
        before[:] = [now()]

    Attempt.progress, Attempt.save_artifact = progress, save_artifact  # type: ignore[method-assign]
    try:
        yield spans
    finally:
        Attempt.progress, Attempt.save_artifact = told, shown  # type: ignore[method-assign]


def _mean(spans: list[Took]) -> Took:
    count = len(spans)
    return Took(sum(each.wall for each in spans) / count, sum(each.cpu for each in spans) / count)


@contextmanager
def _saves() -> Iterator[list[float]]:
    """The seconds of each checkpoint of the trainings in here."""
    told, saved = Attempt.metric, []

    def metric(self: Attempt, name: str, value: float, step: int | None = None) -> None:
        if name == "checkpoint_seconds":
            saved.append(value)
        told(self, name, value, step)

    Attempt.metric = metric  # type: ignore[method-assign]
    try:
        yield saved
    finally:
        Attempt.metric = told  # type: ignore[method-assign]


def texts(path: Path) -> Path:
    """Words in no order, as rows of a dataset."""
    dice = random.Random(0)
    return lines(path, [{"text": " ".join(dice.choices(_WORDS, k=200))} for _ in range(60)])


def _labels(path: Path) -> Path:
    """Sentences of one length, which is that of the bare loop's with the two tokens at its ends."""
    dice = random.Random(0)
    rows = [(" ".join(dice.choices(_WORDS, k=bare_loops.WORDS - 2)), number) for number in range(600)]
    return lines(path, [{"text": text, "label": f"label {number % bare_loops.LABELS}"} for text, number in rows])


def _ragged(path: Path) -> Path:
    """Log-normal lengths, most far below the longest."""
    dice = random.Random(0)
    lengths = [min(30, max(2, round(dice.lognormvariate(1.6, 0.7)))) for _ in range(700)]
    return lines(path, [{"text": " ".join(dice.choices(_WORDS, k=length))} for length in lengths])


def _pictures(path: Path) -> Path:
    dice = random.Random(0)
    side = bare_loops.SIDE
    with ZipFile(path, "w") as packed:
        for number in range(200):
            file = io.BytesIO()
            Image.frombytes("L", (side, side), dice.randbytes(side**2)).save(file, "PNG")
            packed.writestr(f"class{number % bare_loops.CLASSES}/{number}.png", file.getvalue())
    return path
