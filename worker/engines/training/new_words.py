"""Teaching a diffusion model a new word for what is in some pictures: textual inversion, everything else frozen."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from worker.engines.new_words import FILE, check_words, teach
from worker.engines.training.diffusion_adapters import AdapterLearner
from worker.engines.training.diffusion_bases import Words

#: How far the vectors of one word are apart at first, in parts of a vector of the vocabulary.
_APART = 0.01


class WordLearner(AdapterLearner):
    """The vectors of one new word, which every caption must have; it begins as a word that the model knows."""

    def __init__(self, *args: Any, word: str, like: str, vectors: int = 1, **settings: Any) -> None:
        self.word, self._like, self._number = word, like, vectors
        super().__init__(*args, **settings)

    def _adapt(self, seed: int) -> None:
        pipe, device = self.base.pipe, self.base.device
        check_words(pipe, self.base.source.name, field="model")
        table = pipe.text_encoder.get_input_embeddings().weight
        known = pipe.tokenizer(self._like, add_special_tokens=False).input_ids
        begin = table[known].float().mean(0).repeat(self._number, 1)
        apart = torch.randn(begin.shape, generator=torch.Generator().manual_seed(seed)).to(device)
        if self._number > 1:
            begin = begin + _APART * table.float().std() * apart
        self._vectors = torch.nn.Parameter(begin.detach().clone())
        teach(pipe, {self.word: self._vectors})
        self._module = torch.nn.ParameterList([self._vectors])

    def _words(self, captions: Sequence[str]) -> Words:
        # Never kept: what a caption with the word says changes with every step.
        each = [self.base.encode(caption) for caption in captions]
        return {name: torch.cat([one[name] for one in each]) for name in each[0]}

    def save(self, folder: Path) -> Path:
        """The word, as `load_textual_inversion` of diffusers takes it."""
        folder.mkdir(parents=True, exist_ok=True)
        save_file({self.word: self._vectors.detach().float().cpu().contiguous()}, folder / FILE)
        return folder
