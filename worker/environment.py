"""What the works of this process are made with: the versions of the libraries, and the form of the device."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version
from platform import python_version

_LIBRARIES = ("atelier", "torch", "transformers", "diffusers", "peft", "onnxruntime", "av")


@cache
def environment(device: str) -> dict[str, str]:
    """By name; `device` is `cpu` or the name of a GPU: another one may round another way."""
    return {"device": device, "python": python_version()} | {
        name: found for name in _LIBRARIES if (found := _version(name)) is not None
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
