from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.engines.library import Library
from tests.kinds.context import FakeContext

# More threads than free cores make a small matrix product ten times slower, not faster.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return Library(tmp_path_factory.mktemp("models"))


@pytest.fixture
def context(library: Library, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., FakeContext]:
    """A fresh context for every job of a test."""

    def make(**settings: Any) -> FakeContext:
        workdir: Path = tmp_path_factory.mktemp("job")
        return FakeContext(workdir, library, **settings)

    return make
