"""Schedulers of diffusion pipelines by their short names, for the noise-predicting and the flow-matching families."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    FlowMatchHeunDiscreteScheduler,
    HeunDiscreteScheduler,
    LMSDiscreteScheduler,
    PNDMScheduler,
    UniPCMultistepScheduler,
)

from shared.errors import JobError

_NOISE: dict[str, tuple[type[Any], dict[str, Any]]] = {
    "ddim": (DDIMScheduler, {}),
    "euler": (EulerDiscreteScheduler, {}),
    "euler_a": (EulerAncestralDiscreteScheduler, {}),
    "dpmpp_2m": (DPMSolverMultistepScheduler, {"algorithm_type": "dpmsolver++", "solver_order": 2}),
    "heun": (HeunDiscreteScheduler, {}),
    "pndm": (PNDMScheduler, {"skip_prk_steps": True}),
    "lms": (LMSDiscreteScheduler, {}),
    "unipc": (UniPCMultistepScheduler, {}),
}

_FLOW: dict[str, tuple[type[Any], dict[str, Any]]] = {
    "euler": (FlowMatchEulerDiscreteScheduler, {}),
    "heun": (FlowMatchHeunDiscreteScheduler, {}),
    "dpmpp_2m": (DPMSolverMultistepScheduler, {"prediction_type": "flow_prediction", "use_flow_sigmas": True}),
    "unipc": (UniPCMultistepScheduler, {"prediction_type": "flow_prediction", "use_flow_sigmas": True}),
}

#: As image tools write them into their pictures.
TITLES = {
    "default": "Default",
    "ddim": "DDIM",
    "euler": "Euler",
    "euler_a": "Euler a",
    "dpmpp_2m": "DPM++ 2M",
    "heun": "Heun",
    "pndm": "PNDM",
    "lms": "LMS",
    "unipc": "UniPC",
}


@contextmanager
def scheduled(pipe: Any, name: str) -> Iterator[Any]:
    """The pipeline with a fresh scheduler of that name, for one run; its own comes back afterwards."""
    own = pipe.scheduler
    pipe.scheduler = _make(own, name)
    try:
        yield pipe.scheduler
    finally:
        pipe.scheduler = own


def _make(own: Any, name: str) -> Any:
    if name == "default":
        return type(own).from_config(own.config)
    flow = type(own).__name__.startswith("FlowMatch")
    family = _FLOW if flow else _NOISE
    # A schedule that moves with the picture's size exists for the flow-matching Euler method alone.
    known = {"euler": _FLOW["euler"]} if flow and own.config.get("use_dynamic_shifting") else family
    if name not in known or not (flow or known[name][0] in own.compatibles):
        usable = ", ".join(sorted({"default", *known})) if flow else "default"
        raise JobError(
            "unsupported_scheduler",
            f"This model does not work with the scheduler {TITLES[name]}. It works with: {usable}.",
            field="scheduler",
        )
    cls, settings = known[name]
    shift = {"flow_shift": own.config.shift} if settings.get("use_flow_sigmas") else {}
    return cls.from_config(own.config, **settings, **shift)
