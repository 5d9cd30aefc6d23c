"""Params of `collage`: a kind for tests that takes a file of every medium, and adapters."""

from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from shared.kinds.params import InputRef, Output, Params, Prompt, Seed, ui


class Adapter(BaseModel):
    """An adapter and its weight."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: Annotated[str, Field(title="Adapter", min_length=1)]
    weight: Annotated[float, Field(title="Weight", ge=-2, le=2)] = 1


class Collage(Params):
    """Puts files together."""

    title: ClassVar[str] = "Collage"
    summary: ClassVar[str] = "Puts files together."
    icon: ClassVar[str] = "layers"
    output: ClassVar[Output] = "video"
    examples: ClassVar[list[dict[str, Any]]] = [{"prompt": "a wall", "image": "art_" + "0" * 26}]

    prompt: Prompt
    image: Annotated[str, InputRef("image", title="Start picture", description="What it begins with.")]
    sound: Annotated[str | None, InputRef("audio", title="Sound", description="What is heard.")] = None
    clip: Annotated[str | None, InputRef("video", title="Clip", description="What moves.", advanced=True)] = None
    words: Annotated[
        str | None, InputRef("text", "table", title="Words", description="What is written.", advanced=True)
    ] = None
    adapters: Annotated[
        list[Adapter],
        Field(
            title="Adapters",
            description="LoRA adapters and how much of each.",
            max_length=4,
            json_schema_extra=ui("adapters", task="image-adapter"),
        ),
    ] = []  # noqa: RUF012 - pydantic copies it
    seed: Seed = None
