"""Learning to fill in words that are masked: the way that BERT-like models are made, without labels."""

import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as nn
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoModelForMaskedLM, AutoTokenizer, BertConfig, BertForMaskedLM, PreTrainedTokenizerFast

from shared.errors import JobError
from shared.library import ModelSource
from worker.engines.loading import check_folder, reading
from worker.engines.training.descent import Descending, Descent, Moment
from worker.engines.training.language_learner import JUDGED, half_format
from worker.engines.training.masking import Row
from worker.engines.training.plan import Heed
from worker.engines.training.state import State
from worker.engines.training.weights import put_weights, trained_weights

#: Of the tokens that are to be guessed: this share is hidden, this share is another word, the rest is left (BERT).
_HIDDEN, _SWAPPED = 0.8, 0.1
_TOGETHER, _SHOWN = 16, 3
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_FIXED = 2**40
"""What stands for the step where no step is meant, so that every evaluation hides the same words."""


@dataclass(frozen=True)
class Reading:
    """A model that fills in words, its tokenizer, and whether its head is new."""

    model: Any
    tokenizer: Any
    window: int
    fresh_head: bool


@dataclass(frozen=True)
class Masked:
    """A batch with words hidden: tokens and whom to look at, what to guess, and where; all [rows, longest]."""

    tokens: torch.Tensor
    seen: torch.Tensor
    true: torch.Tensor
    guessed: torch.Tensor


def load_reading(base: ModelSource, device: str) -> Reading:
    """A BERT-like model with the head that fills in words; a new one where it has none.

    Raises:
        JobError: it cannot be loaded, or knows no mask.
    """
    folder = check_folder(base)
    with reading(base):
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        loaded: Any = AutoModelForMaskedLM.from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True, trust_remote_code=False, local_files_only=True,
            output_loading_info=True,
        )  # fmt: skip
    if tokenizer.mask_token_id is None:
        sentence = f"The tokenizer of “{base.name}” knows no mask, so it cannot learn to fill in words."
        raise JobError("model_unsupported", sentence, field="base")
    model, report = loaded
    positions = int(getattr(model.config, "max_position_embeddings", 512))
    window = min(positions - (2 if model.config.model_type == "roberta" else 0), tokenizer.model_max_length)
    return Reading(model.to(device), tokenizer, int(window), bool(report["missing_keys"]))


def make_reading(
    rows: Sequence[Row], vocabulary: int, layers: int, heads: int, width: int, context: int, device: str
) -> Reading:
    """A BERT from nothing, with pieces of words found in the rows.

    Raises:
        JobError: the width cannot be shared by the heads.
    """
    if width % heads:
        raise JobError("wrong_shape", f"A width of {width} cannot be shared evenly by {heads} heads.", field="width")
    # Not WordPiece, whose trainer numbers the same words otherwise in every process: another attempt must find its own.
    pieces = Tokenizer(models.BPE())
    pieces.normalizer = normalizers.BertNormalizer(lowercase=True)
    pieces.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    pieces.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=list(_SPECIAL), show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    pieces.train_from_iterator((row["text"] for row in rows), trainer)
    pieces.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]",
        special_tokens=[(token, pieces.token_to_id(token)) for token in ("[CLS]", "[SEP]")],
    )  # fmt: skip
    names = dict(zip(("pad", "unk", "cls", "sep", "mask"), _SPECIAL, strict=True))
    named: dict[str, Any] = {f"{name}_token": token for name, token in names.items()}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=pieces, model_max_length=context, **named)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=width, num_hidden_layers=layers, num_attention_heads=heads,
        intermediate_size=4 * width, max_position_embeddings=context, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    model: torch.nn.Module = BertForMaskedLM(config)
    return Reading(model.to(device), tokenizer, context, fresh_head=True)


def save_reading(read: Reading, folder: Path, base: ModelSource | None) -> None:
    """Write what the stock libraries load, with how the base makes one vector of a text."""
    read.model.save_pretrained(folder)
    read.tokenizer.save_pretrained(folder)
    if base is not None and (base.folder / "1_Pooling").is_dir():
        shutil.copytree(base.folder / "1_Pooling", folder / "1_Pooling")


def chunks(tokenizer: Any, rows: Sequence[Row], longest: int) -> list[list[int]]:
    """The texts of all rows one after another, in pieces of `longest` tokens, each with its beginning and end."""
    begin, end = tokenizer.cls_token_id, tokenizer.sep_token_id
    line: list[int] = []
    for row in rows:
        line += [*tokenizer(row["text"], add_special_tokens=False)["input_ids"], end]
    room = longest - 2
    return [[begin, *line[at : at + room], end] for at in range(0, len(line), room)]


def hide(tokenizer: Any, rows: Sequence[Sequence[int]], dice: Sequence[torch.Generator], share: float) -> Masked:
    """Choose words to guess, and hide most of them; every row by dice of its own, so who shares a batch is nothing.

    Of those chosen, 80 % become the mask, 10 % another token, and 10 % stay, so that the model must judge every word.
    """
    longest = max(len(row) for row in rows)
    shape = len(rows), longest
    tokens = torch.full(shape, int(tokenizer.pad_token_id))
    seen, guessed = torch.zeros(shape, dtype=torch.bool), torch.zeros(shape, dtype=torch.bool)
    true = tokens.clone()
    special = torch.tensor(sorted(set(tokenizer.all_special_ids)))
    for number, (row, die) in enumerate(zip(rows, dice, strict=True)):
        own = torch.tensor(row)
        ordinary = ~torch.isin(own, special)
        chosen = (torch.rand(len(row), generator=die) < share) & ordinary
        if not chosen.any() and ordinary.any():
            places = ordinary.nonzero().squeeze(-1)
            chosen[places[torch.randint(len(places), (1,), generator=die)]] = True
        fate = torch.rand(len(row), generator=die)
        other = torch.randint(len(tokenizer), (len(row),), generator=die)
        shown = torch.where(chosen & (fate < _HIDDEN), int(tokenizer.mask_token_id), own)
        shown = torch.where(chosen & (fate >= _HIDDEN) & (fate < _HIDDEN + _SWAPPED), other, shown)
        tokens[number, : len(row)], true[number, : len(row)] = shown, own
        seen[number, : len(row)], guessed[number, : len(row)] = True, chosen
    return Masked(tokens, seen, true, guessed)


class MaskedLearner:
    """A model that learns to fill in words."""

    def __init__(
        self, read: Reading, learned: Sequence[list[int]], held: Sequence[list[int]], how: Descending, *, seed: int,
        share: float = 0.15,
    ) -> None:  # fmt: skip
        """`learned` and `held` are pieces of text as tokens; `share` of their words is guessed."""
        self.read, self.learned, self.held = read, learned, list(held[:JUDGED])
        self.model, self._seed, self._share = read.model, seed, share
        self._device = str(read.model.device)
        self.descent = Descent(read.model.parameters(), how)

    @property
    def count(self) -> int:
        """Pieces to learn from."""
        return len(self.learned)

    def learn(self, rows: Sequence[int], moment: Moment) -> Mapping[str, float]:
        """One step; the words that are hidden are known by the seed, the step and the piece alone."""
        self.model.train()
        hidden = {row: self._hide([self.learned[row]], [row], moment.step) for row in rows}
        return self.descent.step(
            rows,
            moment,
            lambda part: self._loss(self._hide([self.learned[row] for row in part], part, moment.step))[0],
            lambda part: float(sum(int(hidden[row].guessed.sum()) for row in part)),
        )

    def evaluate(self, heed: Heed) -> Mapping[str, float]:
        """Loss, perplexity and how often the hidden word is the first guess, on held-out pieces."""
        if not self.held:
            return {}
        self.model.eval()
        total = right = weight = 0.0
        with torch.no_grad():
            for begin in range(0, len(self.held), _TOGETHER):
                heed()
                part = self.held[begin : begin + _TOGETHER]
                masked = self._hide(part, range(begin, begin + len(part)), _FIXED)
                loss, found = self._loss(masked)
                total, right = total + loss.item(), right + found
                weight += int(masked.guessed.sum())
        mean = total / max(weight, 1)
        return {
            "validation_loss": mean,
            "perplexity": math.exp(min(mean, 100)),
            "accuracy": right / max(weight, 1),
        }

    def filled(self) -> list[dict[str, str]]:
        """The first pieces with words hidden, and with what the model puts there."""
        self.model.eval()
        shown = []
        for number, piece in enumerate((self.held or self.learned)[:_SHOWN]):
            masked = self._hide([piece], [number], _FIXED)
            with torch.no_grad():
                guess = self.model(input_ids=masked.tokens.to(self._device)).logits.argmax(-1).cpu()
            made = torch.where(masked.guessed, guess, masked.true)
            words = (self.read.tokenizer.decode(each[0].tolist()) for each in (masked.tokens, made, masked.true))
            shown.append(dict(zip(("hidden", "filled", "true"), words, strict=True)))
        return shown

    def show(self, folder: Path, heed: Heed) -> Path | None:  # noqa: ARG002 - a moment's work
        """A page of texts with what the model fills in."""
        path = folder / "samples.txt"
        path.write_text("\n\n".join(f"{each['hidden']}\n→ {each['filled']}" for each in self.filled()), "utf-8")
        return path

    def name(self, row: int) -> str:
        """The number of the piece: it may be of many rows."""
        return f"piece {row + 1} of the texts"

    def state(self) -> State:
        """The model and its optimiser."""
        return {"model": trained_weights(self.model), "descent": self.descent.state()}

    def restore(self, state: State) -> None:
        """Both again."""
        put_weights(self.model, state["model"])
        self.descent.restore(state["descent"])

    def weights(self) -> State:
        """The model's."""
        return trained_weights(self.model)

    def take(self, weights: State) -> None:
        """Be that model."""
        put_weights(self.model, weights)

    def _hide(self, pieces: Sequence[list[int]], numbers: Sequence[int], step: int) -> Masked:
        dice = [
            torch.Generator().manual_seed(hash((self._seed, step, number)) % 2**63) for number in numbers
        ]  # of whole numbers, whose hash is the same in every process
        return hide(self.read.tokenizer, pieces, dice, self._share)

    def _loss(self, masked: Masked) -> tuple[torch.Tensor, int]:
        """The loss summed over the hidden words, and how many of them are the first guess."""
        with half_format(self._device):
            said = self.model(
                input_ids=masked.tokens.to(self._device), attention_mask=masked.seen.long().to(self._device)
            ).logits
        where = masked.guessed.to(self._device)
        chosen, true = said[where].float(), masked.true.to(self._device)[where]
        right = int((chosen.detach().argmax(-1) == true).sum())
        return nn.cross_entropy(chosen, true, reduction="sum"), right
