"""A character-level GPT of the size that nanoGPT trains on a CPU, on Moby Dick."""

import tarfile
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from benchmarks.reference.house import House, lines
from benchmarks.reference.results import Result
from benchmarks.reference.sources import MOBY_DICK, located

_BLOCK = 64
_TARGET = 1.90


def letters(house: House, data: Path) -> Result:
    """4 layers, 4 heads, 128 wide, 2000 batches of 12 × 64 letters, as nanoGPT's README has it for a CPU."""
    chapters = _chapters(located(MOBY_DICK, data))
    rows = [{"text": text} for text in chapters]
    name = house.dataset(
        "moby-dick", lines(house.folder / "moby-dick.jsonl", rows), format="text", validation=0.1, clean=False,
        normalise=False,
    )  # fmt: skip
    report = house.trained(
        "train_causal_lm", name="letters", dataset=name, base=None, method="full", tokens="characters",
        join_texts=True, layers=4, heads=4, width=128, max_length=_BLOCK, steps=2000, batch_size=12,
        learning_rate=1e-3, warm_up=0.05, weight_decay=0.1, evaluations=8, seed=1337,
    )  # fmt: skip
    held = [str(row["text"]) for row in house.rows(name, "validation")]
    loss, count = _judged(house.model("letters"), held)
    samples = report.get("samples", [])
    return Result(
        row="character-level GPT, 0.8 M",
        published="1.88 on tiny Shakespeare",
        source="nanoGPT's README",
        ours=f"{loss:.3f} nats a letter on {count:,} held-out ones",
        target=f"≤ {_TARGET:.2f}",
        reached=loss <= _TARGET,
        data=f"Moby Dick, {sum(map(len, chapters)):,} letters of {len(set(''.join(chapters)))} kinds; "
        "a tenth of its chapters held out",
        figures={"loss": loss, "own_estimate": report["after"]["validation_loss"], "samples": samples},
    )


def _chapters(package: Path) -> list[str]:
    with tarfile.open(package) as packed:
        content = packed.extractfile("package/data/data.txt")
        assert content is not None
        text = content.read().decode("utf-8")
    parts = text.split("\nCHAPTER ")
    return [parts[0].strip() + "\n", *(f"CHAPTER {part.strip()}\n" for part in parts[1:])]


@torch.inference_mode()
def _judged(folder: Path, texts: list[str]) -> tuple[float, int]:
    """The loss by the stock library, in nats a letter, over all blocks of all held-out texts."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    tokens = torch.tensor([token for text in texts for token in tokenizer(text)["input_ids"]])
    # One more than a block: what comes after its last letter is asked, too.
    blocks = tokens.unfold(0, _BLOCK + 1, _BLOCK)
    total = 0.0
    for some in blocks.split(64):
        logits = model(some[:, :-1]).logits
        total += torch.nn.functional.cross_entropy(logits.flatten(0, 1), some[:, 1:].flatten(), reduction="sum").item()
    return total / (len(blocks) * _BLOCK), len(blocks) * _BLOCK
