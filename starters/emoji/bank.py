"""Prepare what training reads: the latents of all pictures and the text encoder's states of their captions.

Run as ``python -m starters.emoji.bank WORK`` once the text encoder is there; it writes WORK/bank.pt.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import BertModel, PreTrainedTokenizerFast

from starters.emoji.autoencoder import as_tensor, load_components, load_pictures, to_latents
from starters.emoji.captions import all_captions, recolourings
from starters.emoji.data import Emoji, read_emoji
from starters.emoji.text_encoder import LENGTH

COMMON_CAPTIONS, RARE_CAPTIONS = 18, 8
"""How many captions of one emoji are drawn for the bank: of a common one, of one with a low weight."""


def draw_captions(emoji: list[Emoji], seed: int) -> tuple[list[str], list[int], list[float]]:
    """Captions drawn by their odds, with the picture each belongs to and its weight in training."""
    dice = np.random.default_rng(seed)
    texts: list[str] = []
    owners: list[int] = []
    weights: list[float] = []
    for index, several in enumerate(all_captions(emoji)):
        odds: dict[str, float] = {}
        for caption, odd in several:
            odds[caption] = odds.get(caption, 0.0) + odd
        names, chance = list(odds), np.array(list(odds.values()))
        count = min(len(names), COMMON_CAPTIONS if emoji[index].weight >= 0.5 else RARE_CAPTIONS)
        chosen = dice.choice(len(names), count, replace=False, p=chance / chance.sum())
        total = chance[chosen].sum()
        texts += [names[c] for c in chosen]
        owners += [index] * count
        weights += [emoji[index].weight * chance[c] / total for c in chosen]
    return texts, owners, weights


@torch.no_grad()
def read(text: BertModel, tokenizer: PreTrainedTokenizerFast, captions: list[str]) -> Tensor:
    """States of the captions as the pipeline would compute them, half precision [N, 24, 384]."""
    states = torch.empty(len(captions), LENGTH, text.config.hidden_size, dtype=torch.float16)
    for start in range(0, len(captions), 128):
        part = captions[start : start + 128]
        ids = tokenizer(part, padding="max_length", truncation=True, max_length=LENGTH, return_tensors="pt")
        states[start : start + len(part)] = text(ids.input_ids, ids.attention_mask)[0].half()
    return states


def main() -> None:
    """Write the bank."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--seed", type=int, default=0, help="another seed draws other captions")
    args = parser.parse_args()
    work: Path = args.work
    torch.set_num_threads(2)
    emoji, colours = read_emoji(work), recolourings(read_emoji(work))
    pictures, coloured = load_pictures(work)
    components = load_components(work, pictures, coloured)
    latents = to_latents(as_tensor(np.concatenate([pictures, coloured])), components)
    texts, owners, weights = draw_captions(emoji, args.seed)
    dice = np.random.default_rng(args.seed)
    for place, one in enumerate(colours):
        texts.append(one.captions[dice.integers(len(one.captions))])
        owners.append(len(pictures) + place)
        weights.append(emoji[one.emoji].weight)
    text = BertModel.from_pretrained(work / "text/text_encoder").eval()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(work / "text/tokenizer")
    bank: dict[str, Any] = {
        "latents": latents,
        "states": read(text, tokenizer, texts),
        "empty": read(text, tokenizer, [""]),
        "owners": torch.tensor(owners),
        "weights": torch.tensor(weights),
        "pictures": len(pictures),
    }
    torch.save(bank, work / "bank.pt")
    print(f"{len(latents)} latents, {len(texts)} captions, state deviation {bank['states'][:2000].float().std():.3f}")


if __name__ == "__main__":
    main()
