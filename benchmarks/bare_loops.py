"""Trainings as one would write them by hand with torch and the stock libraries: the floors of `benchmarks.training`.

Each function loads its model and gives back one step over a batch like those of the kind: forward, loss, backward,
AdamW with a cosine schedule, the loss written down.
"""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from diffusers import DDIMScheduler
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForSequenceClassification, AutoTokenizer, GPT2Config, GPT2LMHeadModel

from benchmarks.installation import Installation
from benchmarks.overhead import source_of
from worker.engines.language import load_language_model
from worker.engines.training.ddpm import build_unet

Step = Callable[[], None]

LETTERS, CHARACTERS, LORA_TOKENS = (12, 64), 30, (2, 64)
SENTENCES, WORDS, LABELS = 16, 24, 3
PICTURES, SIDE, WIDTH, CLASSES = 32, 16, 16, 2


def letters(_: Installation) -> Step:
    """A GPT of nanoGPT's size for a CPU, from nothing."""
    config = GPT2Config(
        vocab_size=CHARACTERS, n_positions=LETTERS[1], n_embd=128, n_layer=4, n_head=4, attn_pdrop=0.0, embd_pdrop=0.0,
        resid_pdrop=0.0,
    )  # fmt: skip
    model = GPT2LMHeadModel(config).train()
    return _step(model.parameters(), lambda: _continued(model, LETTERS, CHARACTERS))


def lora(place: Installation) -> Step:
    """A LoRA on the starter language model."""
    lm = load_language_model(source_of(place, "smollm2-135m"), "cpu")
    how = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
    model = get_peft_model(lm.model, how).train()
    return _step(model.parameters(), lambda: _continued(model, LORA_TOKENS, lm.model.config.vocab_size))


def classifier(place: Installation) -> Step:
    """A LoRA and a new head on MiniLM."""
    folder = source_of(place, "minilm").folder
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=LABELS)
    layers, heads = ["query", "key", "value", "dense"], ["classifier", "pooler"]
    how = LoraConfig(r=16, lora_alpha=32, target_modules=layers, task_type="SEQ_CLS", modules_to_save=heads)
    model = get_peft_model(model, how).train()

    def loss() -> torch.Tensor:
        rows = torch.randint(1000, 20_000, (SENTENCES, WORDS)).tolist()
        given = tokenizer.pad({"input_ids": rows}, return_tensors="pt")
        found: torch.Tensor = model(**given, labels=torch.randint(LABELS, (SENTENCES,))).loss
        return found

    return _step(model.parameters(), loss)


def diffusion(_: Installation) -> Step:
    """A DDPM with classes and an average of its weights."""
    unet = build_unet(SIDE, 1, WIDTH, CLASSES + 1).train()
    average = torch.optim.swa_utils.AveragedModel(unet, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.999))
    scheduler: Any = DDIMScheduler(beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction")
    pictures = torch.randint(256, (1000, 1, SIDE, SIDE), dtype=torch.uint8)
    classes = torch.randint(CLASSES, (1000,))

    def loss() -> torch.Tensor:
        rows = torch.randint(1000, (PICTURES,))
        clean = pictures[rows].float() / 127.5 - 1
        noise, times = torch.randn_like(clean), torch.randint(1000, (PICTURES,))
        told = classes[rows].where(torch.rand(PICTURES) >= 0.1, CLASSES)
        said = unet(scheduler.add_noise(clean, noise, times), times, class_labels=told).sample
        return torch.nn.functional.mse_loss(said, scheduler.get_velocity(clean, noise, times))

    return _step(unet.parameters(), loss, lambda: average.update_parameters(unet))


def _continued(model: Any, shape: tuple[int, int], vocabulary: int) -> torch.Tensor:
    tokens = torch.randint(vocabulary, shape)
    loss: torch.Tensor = model(input_ids=tokens, labels=tokens, use_cache=False).loss
    return loss


def _step(
    parameters: Iterable[torch.nn.Parameter], loss: Callable[[], torch.Tensor], after: Callable[[], None] = lambda: None
) -> Step:
    learned = [each for each in parameters if each.requires_grad]
    optimiser = torch.optim.AdamW(learned, lr=1e-4)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: (1 + math.cos(step / 1000)) / 2)
    written: list[str] = []

    def step() -> None:
        found = loss()
        found.backward()
        torch.nn.utils.clip_grad_norm_(learned, 1.0)
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
        after()
        written.append(f"{found.item():.4f}")

    return step
