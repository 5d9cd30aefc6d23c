"""Pictures that steer a painting: one to start from, a mask, one to follow through a ControlNet, one to refer to.

The pipelines that take them share all weights with the resident text-to-image pipeline; making one loads nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from diffusers import (
    AutoPipelineForImage2Image,
    AutoPipelineForInpainting,
    AutoPipelineForText2Image,
    ControlNetModel,
    FluxControlNetModel,
    SD3ControlNetModel,
)

from shared.errors import JobError
from worker.engines.loading import check_folder, compute_dtype, read_json, reading
from worker.engines.masks import needs_holding

if TYPE_CHECKING:
    from PIL import Image

    from shared.library import ModelSource

_CONTROLNETS = {cls.__name__: cls for cls in (ControlNetModel, SD3ControlNetModel, FluxControlNetModel)}
#: What must be equal in a ControlNet and the network that it steers.
_SHARED = ("cross_attention_dim", "in_channels", "joint_attention_dim", "pooled_projection_dim", "addition_embed_type")


@dataclass(frozen=True, kw_only=True)
class Control:
    """A ControlNet, the picture that it follows, and how strictly."""

    net: Any
    picture: Image.Image
    scale: float


@dataclass(frozen=True, kw_only=True)
class Guides:
    """What a painting is steered by besides its words. Pictures have the painting's size already."""

    image: Image.Image | None = None
    #: White is where to paint anew.
    mask: Image.Image | None = None
    #: How far from `image`: 1 leaves nothing of it.
    strength: float = 1.0
    control: Control | None = None
    reference: Image.Image | None = None


FREE = Guides()


def variant(pipe: Any, guides: Guides) -> Any:
    """The pipeline of the same weights that takes these guides; without the mask where `masks` must see to that.

    Raises:
        JobError: its family has no such pipeline, or the ControlNet is another family's.
    """
    auto: Any
    if guides.mask is not None and not needs_holding(pipe):
        auto, purpose = AutoPipelineForInpainting, "paint over a part of a picture"
    elif guides.image is not None:
        auto, purpose = AutoPipelineForImage2Image, "start from a picture"
    elif guides.control is not None:
        auto, purpose = AutoPipelineForText2Image, "follow a control picture"
    else:
        return pipe
    settings = {}
    if guides.control:
        _check_fit(pipe, guides.control.net)
        settings["controlnet"] = guides.control.net
        purpose += " and follow another" if guides.image else ""
    try:
        made = auto.from_pipe(pipe, **settings)
    except (ValueError, AttributeError) as error:
        raise JobError("unsupported_setting", f"Models of this family cannot {purpose}.", field="image") from error
    made.set_progress_bar_config(disable=True)
    return made


def arguments(guides: Guides, known: set[str]) -> dict[str, Any]:
    """The guides as a pipeline's arguments; `known` are those that it takes."""
    found: dict[str, Any] = {}
    if guides.image is not None:
        found |= {"image": guides.image, "strength": guides.strength}
    if guides.mask is not None:
        found["mask_image"] = guides.mask
    if guides.control is not None:
        found["control_image" if "control_image" in known else "image"] = guides.control.picture
        found["controlnet_conditioning_scale"] = guides.control.scale
    if guides.reference is not None:
        found["ip_adapter_image"] = guides.reference
    return found


def load_controlnet(source: ModelSource, device: str) -> Any:
    """Load a ControlNet of the SD, SDXL, SD3 or Flux family."""
    folder = check_folder(source)
    cls = _CONTROLNETS.get(str(read_json(folder / "config.json").get("_class_name")))
    if cls is None:
        raise JobError("model_unsupported", f"“{source.name}” is not a ControlNet.", field="controlnet")
    with reading(source):
        net = cls.from_pretrained(folder, dtype=compute_dtype(device), use_safetensors=True, local_files_only=True)
    return net.eval().to(device)


def _check_fit(pipe: Any, net: Any) -> None:
    network: Any = getattr(pipe, "unet", None) or getattr(pipe, "transformer", None)
    steered = network.config
    same_form = isinstance(net, ControlNetModel) == hasattr(pipe, "unet")
    if not same_form or any(
        name in net.config and name in steered and net.config[name] != steered[name] for name in _SHARED
    ):
        raise JobError(
            "model_unsupported", "This ControlNet was made for models of another family.", field="controlnet"
        )
