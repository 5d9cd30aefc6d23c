"""Models that see: BLIP for captions and for questions, GIT, LLaVA."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import (
    BlipConfig,
    BlipForConditionalGeneration,
    BlipForQuestionAnswering,
    BlipImageProcessor,
    BlipProcessor,
    CLIPImageProcessor,
    CLIPVisionConfig,
    GitConfig,
    GitForCausalLM,
    GitProcessor,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
)

from tests.engines.tiny.readers import letter_tokenizer
from tests.engines.tiny.writers import byte_tokenizer

_TOWER = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 32,
    "patch_size": 16,
}  # fmt: skip
_SIZE = {"height": 32, "width": 32}


def _blip(model: Callable[..., Any]) -> Callable[[Path], None]:
    def save(folder: Path) -> None:
        tokenizer = letter_tokenizer()
        text = {
            "vocab_size": len(tokenizer), "hidden_size": 32, "encoder_hidden_size": 32, "intermediate_size": 48,
            "num_hidden_layers": 2, "num_attention_heads": 2, "max_position_embeddings": 64, "bos_token_id": 2,
            "eos_token_id": 3, "sep_token_id": 3, "pad_token_id": 0, "initializer_range": 0.5,
        }  # fmt: skip
        model(BlipConfig(text_config=text, vision_config=_TOWER, projection_dim=32)).save_pretrained(folder)
        BlipProcessor(BlipImageProcessor(size=_SIZE), tokenizer).save_pretrained(folder)

    return save


def _git(folder: Path) -> None:
    tokenizer = letter_tokenizer()
    config = GitConfig(
        vision_config=_TOWER, vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=48, max_position_embeddings=64, bos_token_id=2, eos_token_id=3, pad_token_id=0,
        initializer_range=0.5,
    )  # fmt: skip
    GitForCausalLM(config).save_pretrained(folder)
    GitProcessor(CLIPImageProcessor(size=_SIZE, crop_size=_SIZE), tokenizer).save_pretrained(folder)


def _llava(folder: Path, window: int = 512, *, ends: bool = True) -> None:
    tokenizer = byte_tokenizer(chat=False)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image>"]})
    image = tokenizer.convert_tokens_to_ids("<image>")
    text = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=window, bos_token_id=None, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    config = LlavaConfig(
        text_config=text, vision_config=CLIPVisionConfig(**_TOWER), image_token_id=image, image_seq_length=4,
    )  # fmt: skip
    model = LlavaForConditionalGeneration(config)
    if not ends:  # its end is never the likeliest of all tokens
        model.lm_head.weight.data[tokenizer.eos_token_id] = 0
    model.save_pretrained(folder)
    LlavaProcessor(
        CLIPImageProcessor(size=_SIZE, crop_size=_SIZE), tokenizer, patch_size=16,
        vision_feature_select_strategy="default", image_token="<image>", num_additional_image_tokens=1,
        chat_template="{% for message in messages %}{% for part in message.content %}"
        "{% if part.type == 'image' %}<image>{% else %}{{ part.text }}{% endif %}{% endfor %}{% endfor %}: ",
    ).save_pretrained(folder)  # fmt: skip


MODELS = {
    "tiny-blip": ("image-to-text", _blip(BlipForConditionalGeneration)),
    "tiny-blip-answers": ("image-to-text", _blip(BlipForQuestionAnswering)),
    "tiny-git": ("image-to-text", _git),
    "tiny-llava": ("image-to-text", _llava),
    "tiny-llava-long": ("image-to-text", lambda folder: _llava(folder, 16_384, ends=False)),
}
