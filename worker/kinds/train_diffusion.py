"""Work of `train_diffusion`: a dataset of pictures in, a pipeline folder out that `sample_image` samples."""

from shared.kinds.train_diffusion import TrainDiffusion
from worker.context import JobContext
from worker.engines.loading import check_task
from worker.engines.training.captioned import CaptionLearner
from worker.engines.training.ddpm import STEPS, Diffusing, DiffusionLearner
from worker.engines.training.diffusion_adapters import Adapting
from worker.engines.training.diffusion_bases import Base, side
from worker.engines.training.loop import train
from worker.engines.training.picture_result import captioned, described, read_dataset
from worker.engines.training.picture_scores import Scores
from worker.engines.training.pictures import Reading
from worker.engines.training.planning import descending, planned
from worker.engines.training.result import Trained, hand_over


def run(params: TrainDiffusion, ctx: JobContext) -> None:
    """Read the pictures, train, score, save; with a base it is told by captions, else by classes if there are any."""
    if params.base is not None:
        _from_captions(params, params.base, ctx)
    else:
        _from_classes(params, ctx)


def _from_classes(params: TrainDiffusion, ctx: JobContext) -> None:
    ctx.progress(0, None, "Reading the pictures")
    data = ctx.dataset(params.dataset)
    reading = Reading(size=params.size, colours=params.colours, fitting=params.fitting)
    pictures, held = read_dataset(data, reading, ctx.check_cancelled, classes=params.conditional)
    what = Diffusing(
        width=params.width,
        prediction=params.prediction,
        betas=params.betas,
        gamma=params.min_snr,
        dropped=params.class_dropout,
        guidance=params.guidance,
        average=params.average,
        mirror=params.mirror,
    )
    learner = DiffusionLearner(
        pictures,
        held,
        what,
        descending(params),
        device=ctx.device,
        seed=ctx.seed,
    )
    plan = planned(params, len(pictures), ctx, shows=params.evaluations)
    outcome = train(learner, plan, ctx)
    ctx.save_artifact(learner.show(ctx.workdir, ctx.check_cancelled), media_type="image/png", step=outcome.steps)
    scores = Scores(pictures, held)
    found = scores.of(*learner.paint(params.scored, 1, ctx.check_cancelled)) if params.scored > 1 else {}
    for name, value in found.items():
        ctx.metric(name, value)
    outcome.after = {**outcome.after, **found}
    defaults = {"steps": STEPS} | ({"guidance": params.guidance} if pictures.classes else {})
    trained = Trained(
        name=params.name,
        task="unconditional-image-generation",
        folder=described(learner.save(ctx.workdir / "model"), {"classes": pictures.classes, "defaults": defaults}),
        dataset=data.pinned,
        dataset_sha256=data.sha256,
        promote=params.promote,
        shown={"pictures": ["samples.png"], **scores.about},
    )
    hand_over(trained, outcome, plan, ctx)


def _from_captions(params: TrainDiffusion, name: str, ctx: JobContext) -> None:
    ctx.progress(0, None, "Loading the model")
    source = check_task(ctx.model(name), "text-to-image")
    base = Base(source, ctx.device)
    data = ctx.dataset(params.dataset)
    reading = Reading(size=side(params.size, base), colours="colour", fitting=params.fitting)
    pictures, held = (captioned(each) for each in read_dataset(data, reading, ctx.check_cancelled))
    how = Adapting(gamma=params.min_snr, dropped=params.class_dropout, mirror=params.mirror)
    learner = CaptionLearner(base, pictures, held, how, descending(params), seed=ctx.seed, average=params.average)
    plan = planned(params, len(pictures), ctx, shows=params.evaluations)
    outcome = train(learner, plan, ctx)
    ctx.save_artifact(learner.show(ctx.workdir, ctx.check_cancelled), media_type="image/png", step=outcome.steps)
    trained = Trained(
        name=params.name, task="text-to-image", folder=learner.save(ctx.workdir / "model"), dataset=data.pinned,
        dataset_sha256=data.sha256, promote=params.promote, base=source,
        defaults={**source.defaults, "width": reading.size, "height": reading.size},
        shown={"prompts": learner.prompts, "pictures": ["samples.png"]},
    )  # fmt: skip
    hand_over(trained, outcome, plan, ctx)
