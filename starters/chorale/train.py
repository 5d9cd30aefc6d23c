"""Trains the chorale starter, on the scores in the wheel of music21: `python -m starters.chorale.train WHEEL`."""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from starters.chorale.data import Chorale, read_chorales
from worker.engines.chorale import TOKENS, ChoraleNet, Form

HERE = Path(__file__).parent
EPOCHS, BATCH, LEARNING_RATE, DROPOUT = 50, 16, 3e-3, 0.5
#: Marks the steps beyond a piece's end, which count for nothing.
_PADDING = -1


def main(wheel: Path) -> None:
    """Train on nine chorales of ten, keep the weights that are best on the tenth, and write the model's folder."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    chorales = list(read_chorales(wheel))
    held_out, known = chorales[::10], [one for number, one in enumerate(chorales) if number % 10]
    net, best = ChoraleNet(DROPOUT), float("inf")
    print(f"{len(known)} to learn from, {len(held_out)} held out, {sum(p.numel() for p in net.parameters()):,} weights")
    optimizer = torch.optim.AdamW(net.parameters(), lr=LEARNING_RATE, weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, EPOCHS * -(-len(known) // BATCH))
    started = time.process_time()
    for epoch in range(EPOCHS):
        net.train()
        order = torch.randperm(len(known)).tolist()
        for at in range(0, len(order), BATCH):
            loss = _loss(net, [known[number] for number in order[at : at + BATCH]])
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            schedule.step()
        nll = evaluate(net, held_out)
        print(
            f"epoch {epoch} train {loss.item():.3f} held out {nll:.3f} {time.process_time() - started:.0f} s",
            flush=True,
        )
        if nll < best:
            best = nll
            _save(net, held_out)
    print(f"best {best:.4f} nats a token; uniform {torch.tensor(TOKENS).log():.4f}")


@torch.no_grad()
def evaluate(net: ChoraleNet, chorales: Sequence[Chorale]) -> float:
    """Nats a token, over all voices and steps."""
    net.eval()
    return float(_loss(net, chorales))


def form(chorale: Chorale) -> Form:
    """The plan that a chorale was written to."""
    ends = torch.from_numpy(chorale.ends)
    left = torch.zeros(len(ends), dtype=torch.long)
    for step in range(len(ends) - 2, -1, -1):
        left[step] = 0 if ends[step] else left[step + 1] + 1
    last = torch.zeros(len(ends), dtype=torch.bool)
    others = torch.nonzero(ends[:-1] & ~ends[1:])
    last[int(others[-1]) + 1 if len(others) else 0 :] = True
    return Form(chorale.minor, chorale.bar, torch.from_numpy(chorale.beats), left, last)


def _loss(net: ChoraleNet, chorales: Sequence[Chorale]) -> Tensor:
    tokens = [torch.from_numpy(chorale.tokens) for chorale in chorales]
    padded = torch.nn.utils.rnn.pad_sequence(tokens, batch_first=True)
    wanted = torch.nn.utils.rnn.pad_sequence(tokens, batch_first=True, padding_value=_PADDING)
    contexts = torch.nn.utils.rnn.pad_sequence([form(chorale).context() for chorale in chorales], batch_first=True)
    scores = net(padded, contexts)
    return torch.nn.functional.cross_entropy(scores.flatten(0, 2), wanted.flatten(), ignore_index=_PADDING)


def _save(net: ChoraleNet, held_out: Sequence[Chorale]) -> None:
    folder = HERE / "model"
    folder.mkdir(exist_ok=True)
    save_file(
        {name: value.half().contiguous() for name, value in net.state_dict().items()}, folder / "model.safetensors"
    )
    (folder / "config.json").write_text(json.dumps({"model_type": "chorale"}) + "\n")
    kept = {}
    for chorale in held_out:
        context = form(chorale).context()
        kept[chorale.name] = torch.cat([torch.from_numpy(chorale.tokens), context], dim=1).to(torch.uint8)
    save_file(kept, HERE / "heldout.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
