"""Models that say what is in a picture: BLIP's captions and answers, GIT's captions, chat models that see (LLaVA).

Turns a picture and a question into what `decoding` continues. Knows no jobs.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image, ImageOps
from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    AutoModelForVisualQuestionAnswering,
    AutoProcessor,
)

from shared.errors import JobError
from worker.engines.language import LanguageModel
from worker.engines.loading import check_folder, compute_dtype, reading

if TYPE_CHECKING:
    from shared.library import ModelSource

_CAPTION = "Describe this picture."


@dataclass(frozen=True)
class Seer:
    """A model that sees: its language side for `decoding`, its processor, and whether it only answers questions."""

    lm: LanguageModel
    processor: Any
    answers_only: bool

    @property
    def chats(self) -> bool:
        """Whether it takes questions in the form of a conversation."""
        return bool(getattr(self.processor, "chat_template", None))

    def prompt(self, image: Image.Image, question: str | None) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Tokens to continue, [1, length], and what the model sees besides.

        Raises:
            JobError: the model answers questions only and there is none, or it takes none and there is one.
        """
        if self.answers_only and not question:
            raise JobError("no_question", "This model answers questions about a picture; ask one.", field="question")
        if question and not self.answers_only and not self.chats:
            raise JobError(
                "no_questions", "This model writes captions only; leave the question empty.", field="question"
            )
        text = self._chat(question or _CAPTION) if self.chats else question or ""
        inputs = self.processor(images=image, text=text, return_tensors="pt")
        tokens = inputs.pop("input_ids")
        if self.lm.model.config.model_type == "git":  # its tokenizer ends the caption before it has begun
            tokens = tokens[:, :-1]
        device, dtype = self.lm.model.device, self.lm.model.dtype
        seen = {name: value.to(device) for name, value in inputs.items() if not name.endswith(("mask", "type_ids"))}
        seen = {name: value.to(dtype) if value.is_floating_point() else value for name, value in seen.items()}
        return tokens.to(device), seen

    def _chat(self, question: str) -> str:
        turn = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": question}]}
        return str(self.processor.apply_chat_template([turn], add_generation_prompt=True, tokenize=False))


def open_picture(path: Path) -> Image.Image:
    """A picture as it is meant to be seen: turned upright, RGB."""
    try:
        with Image.open(path) as image:
            return ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise JobError("bad_image", "The picture cannot be read.", field="image") from error


def load_seer(source: ModelSource, device: str) -> Seer:
    """Load a model folder with its processor."""
    folder = check_folder(source)
    with reading(source):
        config: Any = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        answers_only = any("QuestionAnswering" in name for name in config.architectures or ())
        family = AutoModelForVisualQuestionAnswering if answers_only else AutoModelForImageTextToText
        processor = AutoProcessor.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        loaded: Any = family.from_pretrained(
            folder, dtype=compute_dtype(device), use_safetensors=True, trust_remote_code=False, local_files_only=True,
            output_loading_info=True,
        )  # fmt: skip
    model, report = loaded
    if report["missing_keys"]:
        raise JobError("model_broken", f"The model “{source.name}” lacks weights: {min(report['missing_keys'])} ….")
    text = config.get_text_config()
    ends = {model.generation_config.eos_token_id, getattr(text, "sep_token_id", None), processor.tokenizer.eos_token_id}
    window = getattr(text, "max_position_embeddings", None) or 2**31
    lm = LanguageModel(
        model.eval().requires_grad_(False).to(device),
        processor.tokenizer,
        int(window),
        frozenset(end for end in ends if isinstance(end, int)),
        encodes=answers_only,
    )
    return Seer(lm, processor, answers_only)
