"""Models that read one text and write another: T5, BART, Marian."""

import json
from pathlib import Path

import sentencepiece
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    MarianConfig,
    MarianMTModel,
    MarianTokenizer,
    T5Config,
    T5ForConditionalGeneration,
)

from tests.engines.tiny.writers import byte_tokenizer

_TEXT = ["the cat sits in the house", "a dog and a bird are in the garden", "we go home by train on every day"]


def _t5(folder: Path) -> None:
    tokenizer = byte_tokenizer(chat=False)
    tokenizer.model_max_length = 512
    config = T5Config(
        vocab_size=len(tokenizer), d_model=32, d_kv=16, d_ff=64, num_layers=2, num_heads=2, decoder_start_token_id=0,
        pad_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    T5ForConditionalGeneration(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _bart(folder: Path) -> None:
    tokenizer = byte_tokenizer(chat=False)
    end = tokenizer.eos_token_id
    config = BartConfig(
        vocab_size=len(tokenizer), d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=64, decoder_ffn_dim=64, max_position_embeddings=256,
        pad_token_id=tokenizer.pad_token_id, bos_token_id=end, eos_token_id=end, decoder_start_token_id=end,
        forced_bos_token_id=5, forced_eos_token_id=end, init_std=0.5,
    )  # fmt: skip
    BartForConditionalGeneration(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _marian(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "words.txt").write_text("\n".join(_TEXT * 20))
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "words.txt"), model_prefix=str(folder / "source"), vocab_size=28, minloglevel=2
    )
    (folder / "target.spm").write_bytes((folder / "source.model").read_bytes())
    (folder / "source.model").rename(folder / "source.spm")
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "source.spm"))
    words = dict.fromkeys(["</s>", "<unk>", *(pieces.id_to_piece(number) for number in range(len(pieces))), "<pad>"])
    (folder / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(words)}))
    for left in ("words.txt", "source.vocab"):
        (folder / left).unlink()
    tokenizer = MarianTokenizer.from_pretrained(folder, source_lang="en", target_lang="de")
    pad = len(words) - 1
    config = MarianConfig(
        vocab_size=len(words), d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=64, decoder_ffn_dim=64, max_position_embeddings=256,
        pad_token_id=pad, eos_token_id=0, bos_token_id=0, forced_eos_token_id=0, decoder_start_token_id=pad,
        init_std=0.5,
    )  # fmt: skip
    model = MarianMTModel(config)
    model.generation_config.bad_words_ids = [[pad]]
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


MODELS = {
    "tiny-t5": ("text2text-generation", _t5),
    "tiny-bart": ("text2text-generation", _bart),
    "tiny-marian": ("text2text-generation", _marian),
}
