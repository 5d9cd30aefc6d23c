"""Whether a picture is explicit, told by a small classifier, and how such a picture is shown.

The network is Yahoo's open_nsfw (2016) as an ONNX file: it takes [n, 224, 224, 3] in BGR less the mean of its training
pictures, and gives [n, 2], the second of which is the score. Runs on the CPU whatever the device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
from PIL import Image, ImageFilter

from worker.engines.loading import model_file, reading

if TYPE_CHECKING:
    from shared.library import ModelSource

_MEAN_BGR = np.array([104, 117, 123], np.float32)
#: The reference takes the middle of a picture that it has made this large.
_SIDE, _MIDDLE = 256, (16, 16, 240, 240)


class PictureFilter:
    """A loaded classifier."""

    def __init__(self, source: ModelSource) -> None:
        options = onnxruntime.SessionOptions()
        # Workers share the cores; a picture takes 40 ms on one.
        options.intra_op_num_threads = 1
        with reading(source):
            self._session = onnxruntime.InferenceSession(
                str(model_file(source, ".onnx")), options, providers=["CPUExecutionProvider"]
            )
        self._input = self._session.get_inputs()[0].name

    def score(self, image: Image.Image) -> float:
        """How explicit a picture looks, from 0 to 1."""
        small = image.convert("RGB").resize((_SIDE, _SIDE), Image.Resampling.BILINEAR).crop(_MIDDLE)
        pixels = np.asarray(small, np.float32)[None, :, :, ::-1] - _MEAN_BGR
        return float(self._session.run(None, {self._input: np.ascontiguousarray(pixels)})[0][0][1])


def picture_filter_size(source: ModelSource) -> int:
    """About how many bytes the loaded classifier takes."""
    return 2 * model_file(source, ".onnx").stat().st_size


def blurred(image: Image.Image) -> Image.Image:
    """The picture with nothing left to recognise but its colours."""
    # Made tiny first: a blur alone of a large picture can be undone in part.
    tiny = image.convert("RGB").resize((8, 8), Image.Resampling.BOX)
    radius = max(image.size) / 16
    return tiny.resize(image.size, Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(radius))
