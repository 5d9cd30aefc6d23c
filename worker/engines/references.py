"""IP-Adapters: painting after a reference picture, through an image encoder and attention layers of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from safetensors import safe_open
from transformers import CLIPImageProcessor, CLIPVisionModelWithProjection

from shared.errors import JobError
from worker.engines.loading import check_folder, compute_dtype, reading

if TYPE_CHECKING:
    import torch

    from shared.library import ModelSource

_ENCODER = "image_encoder"
_PARTS = ("image_proj", "ip_adapter")


@dataclass(frozen=True)
class ReferenceAdapter:
    """The adapter's weights in its two parts, and what turns a picture into what they take."""

    name: str
    state: dict[str, dict[str, torch.Tensor]]
    encoder: Any
    processor: Any


def load_reference(source: ModelSource, device: str) -> ReferenceAdapter:
    """Load a folder of IP-Adapter form: one safetensors file beside an `image_encoder` folder."""
    folder = check_folder(source)
    files = [folder / source.file] if source.file else sorted(folder.glob("*.safetensors"))
    if len(files) != 1 or not (folder / _ENCODER / "config.json").is_file():
        raise JobError("model_unsupported", f"“{source.name}” is not an IP-Adapter.", field="reference_model")
    with reading(source):
        with safe_open(files[0], framework="pt", device="cpu") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - it is no mapping
        encoder = CLIPVisionModelWithProjection.from_pretrained(
            folder / _ENCODER, dtype=compute_dtype(device), use_safetensors=True, local_files_only=True
        )
    state: dict[str, dict[str, torch.Tensor]] = {part: {} for part in _PARTS}
    for key, tensor in tensors.items():
        part, _, name = key.partition(".")
        if part in state:
            state[part][name] = tensor
    if not all(state.values()):
        raise JobError("model_unsupported", f"“{source.name}” is not an IP-Adapter.", field="reference_model")
    side = encoder.config.image_size
    return ReferenceAdapter(
        source.name, state, encoder.eval().to(device), CLIPImageProcessor(size=side, crop_size=side)
    )


@contextmanager
def referring(pipe: Any, adapter: ReferenceAdapter | None, scale: float) -> Iterator[None]:
    """The pipeline with the adapter's attention; afterwards it is as it was."""
    if adapter is None:
        yield
        return
    if not (hasattr(pipe, "unet") and hasattr(pipe, "load_ip_adapter")):
        raise JobError("unsupported_setting", "Models of this family take no reference picture.", field="reference")
    own = pipe.image_encoder, pipe.feature_extractor
    processors = pipe.unet.attn_processors
    pipe.register_modules(image_encoder=adapter.encoder, feature_extractor=adapter.processor)
    try:
        try:
            pipe.load_ip_adapter(adapter.state, subfolder="", weight_name="", image_encoder_folder=None)
        except (RuntimeError, ValueError, LookupError) as error:
            raise JobError(
                "wrong_base", f"The IP-Adapter “{adapter.name}” does not fit this model.", field="reference_model"
            ) from error
        pipe.set_ip_adapter_scale(scale)
        yield
    finally:
        pipe.unload_ip_adapter()
        pipe.unet.set_attn_processor(processors)
        pipe.register_modules(image_encoder=own[0], feature_extractor=own[1])
