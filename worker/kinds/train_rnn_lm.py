"""Work of `train_rnn_lm`: texts in, a recurrent model out that goes on writing like them."""

import torch

from shared.kinds.train_rnn_lm import TrainRnnLm
from worker.context import JobContext
from worker.engines.language import LanguageModel
from worker.engines.networks.rnn import RnnConfig, RnnLm
from worker.engines.training.adaptation import Adapted, Adapting
from worker.engines.training.language_learner import LanguageLearner
from worker.engines.training.lessons import lessons, padding
from worker.engines.training.loop import train
from worker.engines.training.masking import Reader
from worker.engines.training.planning import descending, planned
from worker.engines.training.result import Trained, hand_over
from worker.engines.training.samples import Samples, pairs
from worker.engines.training.scratch import made_tokenizer

#: It has no places that could run out; a text this long is longer than its memory.
_WINDOW = 2**20


def run(params: TrainRnnLm, ctx: JobContext) -> None:
    """Read the rows, make the tokenizer and the model, train, save."""
    ctx.progress(0, None, "Reading the texts")
    data = ctx.dataset(params.dataset)
    rows, held = data.rows("train"), data.rows("validation")
    torch.manual_seed(ctx.seed)
    tokenizer = made_tokenizer(rows, params.tokens, params.vocabulary)
    config = RnnConfig(
        vocab_size=len(tokenizer), cell=params.cell, layers=params.layers, width=params.width, dropout=params.dropout,
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    model: torch.nn.Module = RnnLm(config)
    lm = LanguageModel(model.to(ctx.device), tokenizer, _WINDOW, frozenset({tokenizer.eos_token_id}))

    reader = Reader(tokenizer, params.max_length, answers_only=False, joined=params.join_texts)
    lesson = lessons(reader, rows, held, packed=False)
    plan = planned(params, len(lesson.learned), ctx, shows=4)
    adapted = Adapted(lm.model, Adapting("full", dropout=params.dropout), tokenizer)
    samples = Samples(lm, lm.model, reader, held or rows)
    learner = LanguageLearner(
        adapted, lesson.learned, lesson.held, descending(params), padding=padding(lm), write=samples.write
    )

    before = samples.write(ctx.check_cancelled)
    outcome = train(learner, plan, ctx)
    shown = {"samples": pairs(before, samples.last), "data": lesson.about}
    folder = ctx.workdir / "model"
    adapted.save(folder, tokenizer, "", "merged")
    result = Trained(
        name=params.name, task="text-generation", folder=folder, dataset=f"{data.name}@{data.number}",
        dataset_sha256=data.sha256, promote=params.promote, shown=shown,
    )  # fmt: skip
    hand_over(result, outcome, plan, ctx)
