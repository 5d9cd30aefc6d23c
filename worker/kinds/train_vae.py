"""Work of `train_vae`: a dataset of pictures in, an autoencoder out that `sample_image` samples."""

from shared.kinds.train_vae import TrainVae
from worker.context import JobContext
from worker.engines.networks.shapes import PictureConfig
from worker.engines.training.loop import train
from worker.engines.training.picture_result import read_dataset, save_network
from worker.engines.training.picture_scores import Scores
from worker.engines.training.pictures import Reading
from worker.engines.training.planning import descending, planned
from worker.engines.training.result import Trained, hand_over
from worker.engines.training.vae import VaeLearner


def run(params: TrainVae, ctx: JobContext) -> None:
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
    scores = Scores(pictures, held)
    learner = VaeLearner(
        pictures,
        held,
        config,
        descending(params),
        device=ctx.device,
        seed=ctx.seed,
        scores=scores,
        beta=params.beta,
        likelihood=params.likelihood,
        mirror=params.mirror,
    )
    plan = planned(params, len(pictures), ctx, shows=params.evaluations)
    outcome = train(learner, plan, ctx)
    ctx.save_artifact(learner.show(ctx.workdir, ctx.check_cancelled), media_type="image/png", step=outcome.steps)
    trained = Trained(
        name=params.name,
        task="unconditional-image-generation",
        folder=save_network(learner.vae, "conv_vae", config, ctx.workdir / "model"),
        dataset=data.pinned,
        dataset_sha256=data.sha256,
        promote=params.promote,
        shown={"pictures": ["samples.png"], **scores.about},
    )
    hand_over(trained, outcome, plan, ctx)
