"""What a kind costs over the same model called in a bare loop: claim, progress, previews, upload and finish included.

Both are timed in this process, turn about, so that a busy machine slows both.
"""

import statistics
import time
from collections.abc import Callable, Iterator

import torch

from benchmarks.installation import Installation
from shared import jobs, library
from shared.library import ModelSource
from worker.devices import find_devices
from worker.engines.diffusion import load_pipeline
from worker.engines.language import load_language_model
from worker.runner import Runner

Figure = dict[str, object]

ROUNDS = 7
TOKENS = 64
PROMPT = "Write about the sea and the people who live beside it."


def text(place: Installation) -> Iterator[Figure]:
    """`generate_text` on the starter model, greedy, against `model.generate`."""
    lm = load_language_model(_source(place, "smollm2-135m"), "cpu")
    tokens = lm.encode_chat([{"role": "user", "content": PROMPT}])

    def bare() -> None:
        with torch.inference_mode():
            lm.model.generate(
                input_ids=tokens, attention_mask=torch.ones_like(tokens), do_sample=False, max_new_tokens=TOKENS
            )

    params = {"prompt": PROMPT, "temperature": 0, "repetition_penalty": 1.0, "max_new_tokens": TOKENS}
    yield _compare(place, "text_kind_seconds", "generate_text", params, bare)


def image(place: Installation) -> Iterator[Figure]:
    """`generate_image` on the starter pipeline, not enlarged, against the pipeline itself."""
    source = _source(place, "emoji")
    pipe = load_pipeline(source, "cpu")
    steps = 50

    def bare() -> None:
        with torch.inference_mode():
            pipe(
                "a red apple",
                num_inference_steps=steps,
                guidance_scale=source.defaults["guidance"],
                num_images_per_prompt=8,
                generator=[torch.Generator().manual_seed(seed) for seed in range(8)],
            )

    params = {"prompt": "a red apple", "steps": steps, "images": 8, "upscale": 1, "seed": 0}
    yield _compare(place, "image_kind_seconds", "generate_image", params, bare)


def _source(place: Installation, name: str) -> ModelSource:
    runner = _runner(place)
    return library.resolve(place.db, runner.storage, place.owner.id, name, place.home.path / "cache")


_runners: dict[int, Runner] = {}


def _runner(place: Installation) -> Runner:
    """One worker's runner in this process: what the Celery task calls."""
    if id(place) not in _runners:
        _runners[id(place)] = Runner(place.settings, find_devices(("cpu",))[0])
        _runners[id(place)].begin()
    return _runners[id(place)]


def _compare(
    place: Installation, figure: str, kind: str, params: dict[str, object], bare: Callable[[], None]
) -> Figure:
    runner = _runner(place)

    def ours() -> None:
        jobs.submit(place.db, place.owner, kind, params)
        assert runner.work_off() == 1

    for warm_up in (bare, ours):
        warm_up()
    pairs = [(_seconds(bare), _seconds(ours)) for _ in range(ROUNDS)]
    return {
        "figure": figure,
        "bare": round(statistics.median(pair[0] for pair in pairs), 3),
        "kind": round(statistics.median(pair[1] for pair in pairs), 3),
        "ratio": round(statistics.median(pair[1] / pair[0] for pair in pairs), 3),
        "target": "<= 1.05",
    }


def _seconds(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
