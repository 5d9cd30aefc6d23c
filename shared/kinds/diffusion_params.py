"""The fields that kinds of pictures, films and music share: how a diffusion model works, and what becomes of pictures.

A kind says in its own words what a field does there: `Annotated[Steps, Field(description="…", le=200)]`.
"""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from shared.kinds.params import MAX_PROMPT, ui

_OWN = "The model's own"

NegativePrompt = Annotated[
    str | None,
    Field(title="Avoid", max_length=MAX_PROMPT, json_schema_extra=ui("textarea", advanced=True)),
]

Width = Annotated[
    int | None,
    Field(
        title="Width",
        ge=16,
        le=4096,
        multiple_of=8,
        json_schema_extra=ui("size", unit="px", step=8, placeholder=_OWN),
    ),
]

Height = Annotated[Width, Field(title="Height")]

Steps = Annotated[
    int | None,
    Field(title="Steps", ge=1, json_schema_extra=ui("slider", advanced=True, step=1, placeholder=_OWN)),
]

Guidance = Annotated[
    float | None,
    Field(
        title="Guidance",
        description="How strictly to follow the prompt. Empty takes the model's own.",
        ge=0,
        le=30,
        json_schema_extra=ui("slider", advanced=True, step=0.1, placeholder=_OWN),
    ),
]

_SCHEDULERS = {
    "default": "The model's own", "ddim": "DDIM", "euler": "Euler", "euler_a": "Euler ancestral",
    "dpmpp_2m": "DPM++ 2M", "heun": "Heun", "pndm": "PNDM", "lms": "LMS", "unipc": "UniPC",
}  # fmt: skip

Scheduler = Annotated[
    Literal["default", "ddim", "euler", "euler_a", "dpmpp_2m", "heun", "pndm", "lms", "unipc"],
    Field(title="Scheduler", json_schema_extra=ui("select", advanced=True, titles=_SCHEDULERS)),
]


def _number(value: Any) -> Any:
    """A form sends its choices as text, and a `Literal` of numbers takes no text."""
    return int(value) if isinstance(value, str) and value.isdecimal() else value


Enlarge = Annotated[
    Literal[1, 2, 4] | None,
    BeforeValidator(_number),
    Field(title="Enlarge", json_schema_extra=ui("segment", unit="×", placeholder=_OWN)),
]

Previews = Annotated[bool, Field(title="Previews", json_schema_extra=ui("switch", advanced=True))]
