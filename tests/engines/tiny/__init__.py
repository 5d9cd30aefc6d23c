"""Models of every form that the engines load: random, a few hundred kilobytes, built in code and saved to folders.

Each module of this package declares MODELS: by name the task, and what saves it into a folder.
"""

import importlib
import pkgutil
from collections.abc import Callable
from pathlib import Path

import torch

Builder = Callable[[Path], None]

MODELS: dict[str, tuple[str, Builder]] = {}
for _module in pkgutil.iter_modules(__path__):
    MODELS |= importlib.import_module(f"{__name__}.{_module.name}").MODELS


def build(name: str, folder: Path) -> None:
    """Save the model of that name into a folder; always the same one."""
    torch.manual_seed(0)
    MODELS[name][1](folder)
