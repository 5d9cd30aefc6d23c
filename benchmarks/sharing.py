"""What jobs gain that share the passes of their model: many at once over one at a time, and over the bare library."""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from sqlalchemy import text

from benchmarks.installation import Installation
from benchmarks.overhead import UNFINISHED, Figure, runner_of, source_of
from shared import jobs, library
from tests.engines.tiny.painters import sd_pipeline
from worker.engines.diffusion import load_pipeline
from worker.engines.language import LanguageModel, load_language_model

TEXTS, TOKENS, PICTURES, SOME, ROUNDS = 64, 32, 32, 8, 3
_WAYS = {"temperature": 0.8, "top_k": 50, "top_p": 0.95, "repetition_penalty": 1.0, "max_new_tokens": TOKENS}


def texts(place: Installation) -> Iterator[Figure]:
    """64 jobs with prompts and seeds of their own on the 135 M model, against one at a time and one bare batch."""
    lm = load_language_model(source_of(place, "smollm2-135m"), "cpu")
    told = [f"Write a line about the number {n} and {'a very ' * (n % 5)}small house." for n in range(TEXTS)]
    asked = [{"prompt": each, "seed": n} | _WAYS | UNFINISHED for n, each in enumerate(told)]
    yield _compared(place, "texts_together_per_s", "generate_text", asked, lambda: _generate(lm, told), (4, 0.8))


def images(place: Installation) -> Iterator[Figure]:
    """32 jobs on the starter, and on a random network of 150 M weights, against one at a time and bare batches."""
    with TemporaryDirectory() as folder:
        _large_pipeline(Path(folder))
        library.add(
            place.db, None, name="large", title="Large", task="text-to-image", source=f"folder:{folder}", revision=None
        )
        for model, steps, more in (("emoji", 20, {"upscale": 1}), ("large", 3, {"width": 16, "height": 16})):
            asked = [
                {"prompt": f"a red apple, {n}", "model": model, "steps": steps, "seed": n, **more} | UNFINISHED
                for n in range(PICTURES)
            ]
            pipe = load_pipeline(source_of(place, model), "cpu")
            yield _compared(
                place,
                f"images_together_{model}_per_s",
                "generate_image",
                asked,
                _painting(pipe, asked, steps),
                (1.5, 0),
            )


def _compared(
    place: Installation, figure: str, kind: str, asked: Sequence[dict[str, Any]], bare: Callable[[], object],
    targets: tuple[float, float],
) -> Figure:  # fmt: skip
    """Jobs a second: all together, some of them one at a time, and the bare library with all of them; in turns."""
    _ran(place, kind, asked[:1])
    rounds = []
    for _ in range(ROUNDS):
        alone = _ran(place, kind, asked[:SOME], alone=True) / SOME
        together = _ran(place, kind, asked) / len(asked)
        began = time.perf_counter()
        bare()
        rounds.append((alone, together, (time.perf_counter() - began) / len(asked)))
    return {
        "figure": figure,
        "jobs": len(asked),
        "alone": round(1 / statistics.median(alone for alone, _, _ in rounds), 2),
        "together": round(1 / statistics.median(together for _, together, _ in rounds), 2),
        "bare": round(1 / statistics.median(bare for _, _, bare in rounds), 2),
        "gain": round(statistics.median(alone / together for alone, together, _ in rounds), 2),
        "of_bare": round(statistics.median(bare / together for _, together, bare in rounds), 2),
        "target": f"gain >= {targets[0]}" + (f", of_bare >= {targets[1]}" if targets[1] else ""),
    }


def _ran(place: Installation, kind: str, asked: Sequence[dict[str, Any]], *, alone: bool = False) -> float:
    """Seconds from the first claim until all are done; submitted before that, for a queue is what is measured."""
    for each in asked:
        jobs.submit(place.db, place.owner, kind, each)
    with place.db.begin() as connection:
        if alone:
            connection.execute(text("update jobs set batch_key = null where state = 'queued'"))
    began = time.perf_counter()
    runner_of(place).work_off()
    took = time.perf_counter() - began
    with place.db.begin() as connection:
        left = connection.execute(text("select count(*) from jobs where state <> 'succeeded'")).scalar_one()
    assert left == 0, f"{left} jobs did not succeed"
    return took


def _generate(lm: LanguageModel, told: Sequence[str]) -> None:
    tokenizer = lm.tokenizer
    tokenizer.padding_side, tokenizer.pad_token = "left", tokenizer.pad_token or tokenizer.eos_token
    chats = [
        tokenizer.apply_chat_template([{"role": "user", "content": each}], add_generation_prompt=True, tokenize=False)
        for each in told
    ]
    given = tokenizer(chats, return_tensors="pt", padding=True, add_special_tokens=False)
    ways = {name: value for name, value in _WAYS.items() if name != "repetition_penalty"}
    with torch.inference_mode():
        made = lm.model.generate(**given, do_sample=True, **ways)
    tokenizer.batch_decode(made[:, given["input_ids"].shape[1] :], skip_special_tokens=True)


def _painting(pipe: Any, asked: Sequence[dict[str, Any]], steps: int) -> Callable[[], object]:
    size = {name: asked[0][name] for name in ("width", "height") if name in asked[0]}

    def bare() -> None:
        with torch.inference_mode(), TemporaryDirectory() as folder:
            for at in range(0, len(asked), 16):
                some = asked[at : at + 16]
                dice = [torch.Generator().manual_seed(each["seed"]) for each in some]
                words = [each["prompt"] for each in some]
                for number, image in enumerate(pipe(words, num_inference_steps=steps, generator=dice, **size).images):
                    image.save(Path(folder) / f"{at + number}.png")

    return bare


def _large_pipeline(folder: Path) -> None:
    """A Stable Diffusion of random weights whose network is a real one's size for a CPU."""
    sd_pipeline(folder)
    UNet2DConditionModel(
        block_out_channels=(128, 256, 512), layers_per_block=2, sample_size=32, in_channels=4, out_channels=4,
        cross_attention_dim=32, attention_head_dim=8,
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
    ).save_pretrained(folder / "unet")  # fmt: skip
