"""Work of `train_token_classifier`: rows of tagged words in, a model that finds such names out."""

import torch

from shared.kinds.train_token_classifier import TrainTokenClassifier
from worker.context import JobContext
from worker.engines.training.heads import Adapting, load_headed, save_headed
from worker.engines.training.labelled import WordLabels, marked_words, tags_of
from worker.engines.training.loop import train
from worker.engines.training.planning import descending, planned
from worker.engines.training.result import Trained, hand_over


def run(params: TrainTokenClassifier, ctx: JobContext) -> None:
    """Read, put a head on the base, train, save."""
    data, base = ctx.dataset(params.dataset), ctx.model(params.base)
    rows, held = data.rows("train"), data.rows("validation")
    ctx.progress(0, None, "Loading the base")
    torch.manual_seed(ctx.seed)
    adapting = Adapting(params.method, params.rank, params.alpha, top_layers=params.top_layers)
    headed = load_headed(base, "token-classification", tags_of([*rows, *held]), adapting, params.max_length, ctx.device)
    learner = WordLabels(headed, marked_words(headed, rows), marked_words(headed, held or rows), descending(params))
    plan = planned(params, learner.count, ctx)
    outcome = train(learner, plan, ctx)

    folder = ctx.workdir / "model"
    needs_base = save_headed(headed, folder, base)
    trained = Trained(
        params.name, "token-classification", folder, data.pinned, data.sha256, params.promote, base, needs_base,
        shown={"judged_on": "validation" if held else "train", **learner.report},
    )  # fmt: skip
    hand_over(trained, outcome, plan, ctx)
