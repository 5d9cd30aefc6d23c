"""Work of `train_diffusion_lora`: captioned pictures in, an adapter out that `generate_image` puts on its base."""

from pathlib import Path
from typing import Any

import torch
from PIL import Image

from shared.kinds.train_diffusion_lora import TrainDiffusionLora
from worker.context import JobContext
from worker.engines.loading import check_task
from worker.engines.training.diffusion_adapters import AdapterLearner, Adapting
from worker.engines.training.diffusion_bases import Base, side
from worker.engines.training.loop import train
from worker.engines.training.new_words import WordLearner
from worker.engines.training.picture_result import captioned, read_dataset
from worker.engines.training.picture_scores import Scores
from worker.engines.training.pictures import Pictures, Reading, from_images
from worker.engines.training.planning import descending, planned
from worker.engines.training.result import Trained, hand_over
from worker.engines.training.state import read_state, write_state

_PRIOR = "class.safetensors"


def run(params: TrainDiffusionLora, ctx: JobContext) -> None:
    """Load the base, read the pictures, train, compare, save."""
    ctx.progress(0, None, "Loading the model")
    source = check_task(ctx.model(params.model), "text-to-image")
    base = Base(source, ctx.device, keep=params.cache)
    data = ctx.dataset(params.dataset)
    reading = Reading(size=side(params.size, base), colours="colour", fitting=params.fitting)
    pictures, held = (captioned(each, params.called()) for each in read_dataset(data, reading, ctx.check_cancelled))
    learner = _learner(params, base, pictures, held, ctx)
    # Made by the base as it is: an adapter changes nothing until it has learned.
    if params.class_prompt is not None:
        learner.prior = _prior(params, learner, ctx)
    scores = Scores(pictures, held)
    _save_samples(learner, "before.png", ctx)
    before = _compared(params, learner, scores, ctx)
    plan = planned(params, len(pictures), ctx, shows=params.evaluations)
    outcome = train(learner, plan, ctx)
    _save_samples(learner, "after.png", ctx)
    outcome.before = {**outcome.before, **before}
    outcome.after = {**outcome.after, **_compared(params, learner, scores, ctx)}
    trained = Trained(
        name=params.name,
        task="image-adapter",
        folder=learner.save(ctx.workdir / "model"),
        dataset=data.pinned,
        dataset_sha256=data.sha256,
        promote=params.promote,
        base=source,
        needs_base=True,
        shown={"prompts": learner.prompts, "pictures": ["before.png", "after.png"], **scores.about},
    )
    hand_over(trained, outcome, plan, ctx)


def _learner(
    params: TrainDiffusionLora, base: Base, pictures: Pictures, held: Pictures, ctx: JobContext
) -> AdapterLearner:
    how = Adapting(
        rank=params.rank,
        alpha=params.alpha,
        gamma=params.min_snr,
        noise_offset=params.noise_offset,
        # A caption without the new word teaches nothing of it.
        dropped=0.0 if params.method == "textual_inversion" else params.caption_dropout,
        mirror=params.mirror,
        prior_weight=params.prior_weight,
        checkpointing=params.checkpointing,
    )
    given = (base, pictures, held, how, descending(params))
    more: dict[str, Any] = {"seed": ctx.seed, "prompts": params.sample_prompts}
    if params.method == "textual_inversion":
        return WordLearner(*given, **more, word=params.word, like=params.begins_as, vectors=params.vectors)
    return AdapterLearner(*given, **more)


def _prior(params: TrainDiffusionLora, learner: AdapterLearner, ctx: JobContext) -> Pictures:
    """Pictures of the class to keep: those of an earlier attempt, or made now."""
    prompt, count = str(params.class_prompt), params.class_images
    found = ctx.restore(_PRIOR)
    if found is not None:
        pixels: torch.Tensor = read_state(found)["pixels"]
    else:
        made: list[Image.Image] = []
        for number in range(count):
            ctx.progress(0, None, f"Picture {number + 1} of {count} of the class")
            made += learner.paint([prompt], [ctx.seed + number], ctx.check_cancelled)
        pixels = from_images(made)
        path: Path = ctx.workdir / _PRIOR
        write_state(path, {"pixels": pixels})
        ctx.checkpoint(path)
    names = [f"class image {number + 1}" for number in range(len(pixels))]
    return Pictures(pixels=pixels, names=names, captions=[prompt] * len(pixels))


def _save_samples(learner: AdapterLearner, name: str, ctx: JobContext) -> None:
    path = learner.show(ctx.workdir, ctx.check_cancelled).rename(ctx.workdir / name)
    ctx.save_artifact(path, media_type="image/png")


def _compared(params: TrainDiffusionLora, learner: AdapterLearner, scores: Scores, ctx: JobContext) -> dict[str, float]:
    """How far what it paints is from the dataset's pictures, by their captions."""
    if params.compared < 2:
        return {}
    captions = (learner.held if len(learner.held) else learner.pictures).captions
    made: list[Image.Image] = []
    for number in range(params.compared):
        made += learner.paint([captions[number % len(captions)]], [number], ctx.check_cancelled)
    return dict(scores.of(from_images(made)))
