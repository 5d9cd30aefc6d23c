"""Networks in ncnn's form (a .param graph and a .bin of weights) run by torch. Does not know what they are for.

The graph is text: a magic number, counts, then one layer a line: type, name, numbers of inputs and outputs, their
names, `key=value` params (an array has the key -23300 - key). The weights stand in the order of the layers.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from torch import Tensor, nn

_MAGIC = "7767517"
#: Before weights in 16-bit numbers; 0 stands before 32-bit ones.
_HALF = 0x01306B47
_MODES = {1: "nearest", 2: "bilinear", 3: "bicubic"}


class NcnnError(ValueError):
    """The files are not a network that this module can run."""


@dataclass(frozen=True)
class Layer:
    """One line of the graph."""

    kind: str
    name: str
    inputs: list[str]
    outputs: list[str]
    numbers: dict[int, float] = field(default_factory=dict)
    arrays: dict[int, list[float]] = field(default_factory=dict)

    def whole(self, key: int, default: int = 0) -> int:
        """A param that is a whole number."""
        return int(self.numbers.get(key, default))


class NcnnNet(nn.Module):
    """A network from a .param file and the .bin file beside it; one image tensor in, one out."""

    def __init__(self, param: Path) -> None:
        super().__init__()
        self.layers = parse_graph(param.read_text("ascii", errors="replace"))
        unknown = {layer.kind for layer in self.layers} - _RUN.keys() - {"Input", "Split"}
        if unknown:
            raise NcnnError(f"{param.name} has layers that are not known here: {', '.join(sorted(unknown))}.")
        _Weights(param.with_suffix(".bin").read_bytes()).fill(self, self.layers)
        self._last_use = {name: number for number, layer in enumerate(self.layers) for name in layer.inputs}

    def forward(self, image: Tensor) -> Tensor:
        """Run the graph. A tensor goes when its last reader has run: the memory needed is the widest place's."""
        values: dict[str, Tensor] = {}
        for number, layer in enumerate(self.layers):
            inputs = [values[name] for name in layer.inputs]
            if layer.kind == "Input":
                made = [image]
            elif layer.kind == "Split":
                made = inputs * len(layer.outputs)
            else:
                made = [_RUN[layer.kind](self, layer, inputs)]
            values.update(zip(layer.outputs, made, strict=True))
            for name in layer.inputs:
                if self._last_use[name] == number:
                    del values[name]
        return values[self.layers[-1].outputs[0]]

    def weight(self, layer: Layer, what: str) -> Tensor | None:
        """A layer's weights, bias or slopes."""
        return self._buffers.get(_key(layer, what))


class _Weights:
    """A reader of the .bin file."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def fill(self, net: NcnnNet, layers: list[Layer]) -> None:
        for layer in layers:
            if layer.kind == "Convolution":
                outputs, size, width = layer.whole(0), layer.whole(6), layer.whole(1)
                height = layer.whole(11, width)
                weight = self._tagged(size).reshape(outputs, -1, height, width)
                net.register_buffer(_key(layer, "weight"), weight)
                if layer.whole(5):
                    net.register_buffer(_key(layer, "bias"), self._floats(outputs))
            elif layer.kind == "PReLU":
                net.register_buffer(_key(layer, "slope"), self._floats(layer.whole(0)))
        if self.at != len(self.data):
            raise NcnnError(f"The weights have {len(self.data) - self.at} bytes more than the graph asks for.")

    def _tagged(self, count: int) -> Tensor:
        (tag,) = struct.unpack("<I", self._take(4))
        if tag == _HALF:
            return torch.frombuffer(bytearray(self._take((count * 2 + 3) // 4 * 4)), dtype=torch.float16)[
                :count
            ].float()
        if tag == 0:
            return self._floats(count)
        raise NcnnError(f"The weights are packed in a form that is not known here ({tag:#x}).")

    def _floats(self, count: int) -> Tensor:
        return torch.frombuffer(bytearray(self._take(count * 4)), dtype=torch.float32)

    def _take(self, count: int) -> bytes:
        chunk = self.data[self.at : self.at + count]
        if len(chunk) != count:
            raise NcnnError("The weights end too early.")
        self.at += count
        return chunk


def parse_graph(text: str) -> list[Layer]:
    """The layers of a .param file, in order."""
    lines = [line.split() for line in text.splitlines() if line.strip()]
    if not lines or lines[0] != [_MAGIC]:
        raise NcnnError("This is not an ncnn graph.")
    return [_layer(words) for words in lines[2:]]


def _layer(words: list[str]) -> Layer:
    kind, name, inputs, outputs = words[0], words[1], int(words[2]), int(words[3])
    names, params = words[4 : 4 + inputs + outputs], words[4 + inputs + outputs :]
    numbers: dict[int, float] = {}
    arrays: dict[int, list[float]] = {}
    for key, value in (param.split("=", 1) for param in params):
        if int(key) <= -23300:
            arrays[-int(key) - 23300] = [float(part) for part in value.split(",")[1:]]
        else:
            numbers[int(key)] = float(value)
    return Layer(kind, name, names[:inputs], names[inputs:], numbers, arrays)


def _key(layer: Layer, what: str) -> str:
    return f"{layer.name}_{what}".replace(".", "_")


def _convolution(net: NcnnNet, layer: Layer, inputs: list[Tensor]) -> Tensor:
    weight, bias = net.weight(layer, "weight"), net.weight(layer, "bias")
    assert weight is not None
    made = F.conv2d(inputs[0], weight, bias, layer.whole(3, 1), layer.whole(4), layer.whole(2, 1))
    activation = layer.whole(9)
    if activation == 0:
        return made
    if activation == 1:
        return F.relu_(made)
    if activation == 2:
        return F.leaky_relu_(made, layer.arrays[10][0])
    raise NcnnError(f"The activation {activation} of {layer.name} is not known here.")


def _prelu(net: NcnnNet, layer: Layer, inputs: list[Tensor]) -> Tensor:
    slope = net.weight(layer, "slope")
    assert slope is not None
    return F.prelu(inputs[0], slope)


def _concat(_: NcnnNet, layer: Layer, inputs: list[Tensor]) -> Tensor:
    return torch.cat(inputs, dim=layer.whole(0) + 1)


def _eltwise(_: NcnnNet, layer: Layer, inputs: list[Tensor]) -> Tensor:
    if layer.whole(0) != 1:
        raise NcnnError(f"The operation of {layer.name} is not a sum.")
    factors = layer.arrays.get(1) or [1.0] * len(inputs)
    total = inputs[0] * factors[0]
    for factor, value in zip(factors[1:], inputs[1:], strict=True):
        total = total.add_(value, alpha=factor)
    return total


def _binary(_: NcnnNet, layer: Layer, inputs: list[Tensor]) -> Tensor:
    if layer.whole(0) != 0 or len(inputs) != 2:
        raise NcnnError(f"The operation of {layer.name} is not an addition of two.")
    return inputs[0] + inputs[1]


def _interp(_: NcnnNet, layer: Layer, inputs: list[Tensor]) -> Tensor:
    mode, factors = _MODES[layer.whole(0)], (layer.numbers[1], layer.numbers[2])
    corners = None if mode == "nearest" else False
    return F.interpolate(inputs[0], scale_factor=factors, mode=mode, align_corners=corners)


def _pixel_shuffle(_: NcnnNet, layer: Layer, inputs: list[Tensor]) -> Tensor:
    return F.pixel_shuffle(inputs[0], layer.whole(0))


_RUN: dict[str, Callable[[NcnnNet, Layer, list[Tensor]], Tensor]] = {
    "Convolution": _convolution,
    "PReLU": _prelu,
    "Concat": _concat,
    "Eltwise": _eltwise,
    "BinaryOp": _binary,
    "Interp": _interp,
    "PixelShuffle": _pixel_shuffle,
}
