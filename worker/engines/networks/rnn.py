"""A recurrent language model: LSTM or GRU, which reads one token after another and remembers what it can.

Its folder is that of any other: `config.json` with the model type `atelier-rnn`, and safetensors.
"""

from typing import Any, Literal

import torch
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    GenerationConfig,
    LogitsProcessorList,
    PretrainedConfig,
    PreTrainedModel,
    StoppingCriteriaList,
)
from transformers.modeling_outputs import CausalLMOutput


class RnnConfig(PretrainedConfig):
    """The size of a recurrent model; `width` is that of a token and of the memory."""

    model_type = "atelier-rnn"

    def __init__(
        self, *, vocab_size: int = 256, cell: Literal["lstm", "gru"] = "lstm", layers: int = 2, width: int = 256,
        dropout: float = 0.0, **others: Any,
    ) -> None:  # fmt: skip
        self.vocab_size, self.cell, self.layers, self.width, self.dropout = vocab_size, cell, layers, width, dropout
        super().__init__(**others)


class RnnLm(PreTrainedModel):
    """Tokens in, scores of the next token out; the embedding is also the head's weight (Press and Wolf, 2017)."""

    config_class = RnnConfig
    config: RnnConfig
    _tied_weights_keys = {"head.weight": "embedding.weight"}  # noqa: RUF012 - as transformers has it

    def __init__(self, config: RnnConfig) -> None:
        super().__init__(config)
        self.embedding = nn.Embedding(config.vocab_size, config.width)
        cell = nn.LSTM if config.cell == "lstm" else nn.GRU
        between = config.dropout if config.layers > 1 else 0.0
        self.memory = cell(config.width, config.width, config.layers, batch_first=True, dropout=between)
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(config.width, config.vocab_size)
        self.post_init()
        self.generation_config = GenerationConfig.from_model_config(config)

    def get_input_embeddings(self) -> nn.Module:
        """What a token becomes at first."""
        return self.embedding

    def get_output_embeddings(self) -> nn.Module:
        """What scores the next token."""
        return self.head

    def forward(
        self, input_ids: torch.Tensor, state: Any = None, logits_to_keep: torch.Tensor | None = None, **_: Any
    ) -> CausalLMOutput:
        """Scores [rows, length, vocabulary], or of the places `logits_to_keep` alone; the memory as `hidden_states`.

        `state` is the memory so far. Padding comes last, so nothing is read after it.
        """
        hidden, state = self.memory(self.dropout(self.embedding(input_ids)), state)
        if logits_to_keep is not None:
            hidden = hidden[:, logits_to_keep]
        return CausalLMOutput(logits=self.head(self.dropout(hidden)), hidden_states=state)

    @torch.no_grad()
    def generate(
        self, input_ids: Any, generation_config: GenerationConfig, logits_processor: LogitsProcessorList,
        stopping_criteria: StoppingCriteriaList, **_: Any,
    ) -> Any:  # fmt: skip
        """Go on writing, the likeliest token first by what the processors make of the scores; the whole text."""
        said = self(input_ids)
        for _number in range(generation_config.max_new_tokens or 0):
            scores = logits_processor(input_ids, said.logits[:, -1])
            token = scores.argmax(-1, keepdim=True)
            input_ids = torch.cat([input_ids, token], -1)
            if bool(torch.as_tensor(stopping_criteria(input_ids, None)).all()):
                break
            said = self(token, said.hidden_states)
        return input_ids

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Embedding | nn.Linear):
            nn.init.normal_(module.weight, std=0.05)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
        if isinstance(module, nn.LSTM | nn.GRU):
            for name, each in module.named_parameters():
                nn.init.zeros_(each) if "bias" in name else nn.init.orthogonal_(each)


AutoConfig.register(RnnConfig.model_type, RnnConfig)
AutoModelForCausalLM.register(RnnConfig, RnnLm)
