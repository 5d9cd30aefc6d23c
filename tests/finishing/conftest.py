import pytest
import torch

from tests.engines.library import Library

# More threads than free cores make a small matrix product ten times slower, not faster.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return Library(tmp_path_factory.mktemp("models"))
