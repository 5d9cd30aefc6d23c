"""Work of `train_gan`: a dataset of pictures in, a generator out that `sample_image` samples."""

from dataclasses import replace

from shared.kinds.train_gan import TrainGan
from worker.context import JobContext
from worker.engines.networks.shapes import PictureConfig
from worker.engines.training.gan import RECIPES, GanLearner
from worker.engines.training.loop import train
from worker.engines.training.picture_result import read_dataset, save_network
from worker.engines.training.picture_scores import Scores
from worker.engines.training.pictures import Reading
from worker.engines.training.planning import descending, planned
from worker.engines.training.result import Trained, hand_over


def run(params: TrainGan, ctx: JobContext) -> None:
    """Read the pictures, train, save."""
    ctx.progress(0, None, "Reading the pictures")
    data = ctx.dataset(params.dataset)
    reading = Reading(size=params.size, colours=params.colours, fitting=params.fitting)
    pictures, held = read_dataset(data, reading, ctx.check_cancelled, classes=params.conditional)
    config = PictureConfig(
        size=pictures.size,
        channels=pictures.channels,
        latent=params.latent,
        width=params.width,
        classes=pictures.classes,
    )
    scores, recipe = Scores(pictures, held), RECIPES[params.objective]
    rate = params.learning_rate or recipe.learning_rate
    # Pieces of a batch would be other batches to the generator's batch norms: memory has to do for all of it.
    portion = {"batch_size": params.batch_size * recipe.critic_steps, "at_once": 1}
    asked = params.model_copy(update=portion | {"learning_rate": rate})
    learner = GanLearner(
        pictures,
        config,
        descending(asked),
        params.objective,
        scores,
        device=ctx.device,
        seed=ctx.seed,
        average=params.average,
        mirror=params.mirror,
    )
    plan = planned(asked, len(pictures), ctx, shows=params.evaluations)
    outcome = train(learner, plan, ctx)
    ctx.save_artifact(learner.show(ctx.workdir, ctx.check_cancelled), media_type="image/png", step=outcome.steps)
    trained = Trained(
        name=params.name,
        task="unconditional-image-generation",
        folder=save_network(learner.average.network, "dcgan", config, ctx.workdir / "model"),
        dataset=data.pinned,
        dataset_sha256=data.sha256,
        promote=params.promote,
        shown={"pictures": ["samples.png"], **scores.about},
    )
    # What the plan calls pieces is the whole batch here.
    hand_over(trained, replace(outcome, at_once=params.batch_size), plan, ctx)
