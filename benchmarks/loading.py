"""What stays in memory: the second job on a model, and adapters swapped on a base that is not loaded again."""

import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from peft import LoraConfig, get_peft_model_state_dict

from benchmarks.installation import Installation
from benchmarks.overhead import Figure, ran, runner_of, source_of, took
from shared.library import ModelSource
from worker.engines.adapters import Adapter, adapted
from worker.engines.diffusion import load_pipeline

_JOBS: dict[str, dict[str, Any]] = {
    "generate_text": {"prompt": "What is the capital of France?", "max_new_tokens": 4},
    "classify_text": {"texts": ["What a wonderful day!"]},
    "embed_text": {"texts": ["What a wonderful day!"]},
    "generate_image": {"prompt": "red apple", "steps": 4, "upscale": 1},
    "sample_image": {"model": "digit-gan", "images": 1},
    "generate_speech": {"text": "Hello."},
    "generate_music": {"prompt": "a calm piece", "duration": 4},
}
_LAYERS = ["to_q", "to_k", "to_v", "to_out.0"]
_LOADS = 5


def residency(place: Installation) -> Iterator[Figure]:
    """Seconds that the first and the second job of each kind spend loading, and until their first step."""
    for kind, params in _JOBS.items():
        with _loading(place) as loads:
            first = ran(place, kind, params)
            spent = sum(loads)
            loads.clear()
            second = ran(place, kind, params)
            yield {
                "figure": f"second_{kind}",
                "first_load_s": round(spent, 3),
                "second_load_s": round(sum(loads), 3),
                "target": "second_load_s 0",
                "first_step_s": first.progress.first_s,
                "second_step_s": second.progress.first_s,
            }


def lora(place: Installation) -> Iterator[Figure]:
    """A job's adapter swapped for another on the resident emoji starter, over loading the whole pipeline again."""
    base = source_of(place, "emoji")
    adapters = [Adapter(_adapter(place.home.path / name, base), 1.0) for name in ("one", "two")]
    pipe = load_pipeline(base, "cpu")

    def use(adapter: Adapter) -> None:
        with adapted(pipe, [adapter], base):
            pass

    first = [took(lambda adapter=adapter: use(adapter)).cpu for adapter in adapters]
    loads, swaps = [], []
    for _ in range(_LOADS):
        loads.append(took(lambda: load_pipeline(base, "cpu")).cpu)
        swaps += [took(lambda adapter=adapter: use(adapter)).cpu for adapter in adapters]
    load, swap = statistics.median(loads), statistics.median(swaps)
    yield {
        "figure": "lora_swap_cpu_seconds",
        "reload": round(load, 3),
        "first_use": round(statistics.median(first), 4),
        "swap": round(swap, 4),
        "ratio": round(swap / load, 3),
        "target": "<= 0.1",
    }


@contextmanager
def _loading(place: Installation) -> Iterator[list[float]]:
    """The seconds of each loading by this worker, which is watched where it asks for what is resident."""
    held = runner_of(place).residency
    loads: list[float] = []

    def get(key: str, load: Callable[[], Any], size: int | None = None) -> Any:
        def watched() -> Any:
            made: list[Any] = []
            loads.append(took(lambda: made.append(load())).wall)
            return made[0]

        return type(held).get(held, key, watched, size)

    held.get = get
    try:
        yield loads
    finally:
        del held.get


def _adapter(folder: Path, base: ModelSource) -> ModelSource:
    """A LoRA with random weights for the attention of a pipeline."""
    unet = UNet2DConditionModel.from_pretrained(base.folder / "unet")
    unet.add_adapter(LoraConfig(r=8, init_lora_weights=False, target_modules=_LAYERS))
    with torch.no_grad():
        StableDiffusionPipeline.save_lora_weights(
            folder,
            unet_lora_layers=get_peft_model_state_dict(unet),
            unet_lora_adapter_metadata=unet.peft_config["default"].to_dict(),
        )
    return replace(base, name=folder.name, folder=folder, key=f"{folder.name}@1", task="image-adapter", defaults={})
