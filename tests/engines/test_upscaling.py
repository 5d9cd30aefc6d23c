"""Real-ESRGAN in torch, against what the ncnn runtime made of the same picture."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from shared.errors import JobError
from tests.engines.library import Library, source
from worker.engines import upscaling
from worker.engines.ncnn import NcnnError, NcnnNet, parse_graph
from worker.engines.upscaling import load_upscaler

RECORDED = np.load(Path(__file__).parent / "recorded" / "realesrgan.npz")


@pytest.mark.parametrize("name", ["REALESRGAN_ANIMAVIDEOV3_UP2X", "REALESRGAN_X4PLUSANIME_UP4X"])
def test_the_network_makes_what_ncnn_made(library: Library, name: str):
    # given a network and a picture that the ncnn runtime has enlarged once
    net = NcnnNet(library["realesrgan-video"].folder / f"{name}.param")
    # when torch enlarges it
    with torch.inference_mode():
        made = net(torch.from_numpy(RECORDED["image"])[None])[0].numpy()
    # then the result is the same but for rounding
    assert np.abs(made - RECORDED[name]).max() < 2e-5


def _picture(width: int, height: int) -> Image.Image:
    y, x = np.mgrid[0:height, 0:width]
    return Image.fromarray(
        np.stack([x * 255 // width, y * 255 // height, (np.hypot(x - 16, y - 16) < 12) * 255], -1).astype(np.uint8)
    )


def test_tiles_show_no_seam(library: Library, monkeypatch: pytest.MonkeyPatch):
    # given a network whose sight reaches 18 pixels, and a picture enlarged in one piece
    upscaler = load_upscaler(library["realesrgan-video"], "cpu")
    whole = upscaler.enlarge(_picture(56, 40), 4, lambda *_: None)
    # when the same is done in small tiles
    monkeypatch.setattr(upscaling, "TILE", 24)
    calls: list[tuple[int, int]] = []
    tiled = upscaler.enlarge(_picture(56, 40), 4, lambda done, total: calls.append((done, total)))
    # then no pixel differs visibly, and every tile was told
    assert np.abs(np.asarray(whole).astype(int) - np.asarray(tiled)).max() <= 3
    assert calls == [(number, 6) for number in range(1, 7)]


@pytest.mark.parametrize("factor", [2, 4])
def test_any_factor_is_served(library: Library, factor: int):
    upscaler = load_upscaler(library["realesrgan-video"], "cpu")
    assert upscaler.enlarge(_picture(24, 16), factor, lambda *_: None).size == (24 * factor, 16 * factor)


def test_a_large_picture_is_close_to_its_small_self(library: Library):
    upscaler = load_upscaler(library["realesrgan-anime"], "cpu")
    small = _picture(32, 32)
    again = upscaler.enlarge(small, 4, lambda *_: None).resize((32, 32), Image.Resampling.BOX)
    assert np.abs(np.asarray(again).astype(int) - np.asarray(small)).mean() < 8


def test_files_that_are_no_network_are_refused(tmp_path: Path, library: Library):
    with pytest.raises(NcnnError):
        parse_graph("hello")
    (tmp_path / "net.param").write_text("7767517\n1 1\nMystery m 0 1 out\n")
    (tmp_path / "net.bin").write_bytes(b"")
    with pytest.raises(JobError, match="Mystery"):
        load_upscaler(source("mystery", tmp_path, file="net.param"), "cpu")
    with pytest.raises(JobError) as caught:
        load_upscaler(source("gone", tmp_path, file="gone.param"), "cpu")
    assert caught.value.code == "model_missing"


@pytest.mark.quality
def test_an_enlarged_drawing_is_sharper_than_bicubic(library: Library):
    # given a drawing that was large once: discs with hard edges
    y, x = np.mgrid[0:256, 0:256]
    discs = [np.hypot(x - cx, y - cy) < r for cx, cy, r in ((70, 80, 50), (180, 90, 34), (120, 190, 46))]
    large = Image.fromarray(np.stack([disc * 200 + 30 for disc in discs], -1).astype(np.uint8))
    small = large.resize((64, 64), Image.Resampling.BOX)
    # when it is enlarged again
    upscaler = load_upscaler(library["realesrgan-anime"], "cpu")
    ours = upscaler.enlarge(small, 4, lambda *_: None)
    bicubic = small.resize((256, 256), Image.Resampling.BICUBIC)

    # then its edges are steeper, and it is the same drawing still
    def steepness(picture: Image.Image) -> float:
        pixels = np.asarray(picture).astype(float)
        return float(np.square(np.diff(pixels, axis=0)).mean() + np.square(np.diff(pixels, axis=1)).mean())

    again = np.asarray(ours.resize((64, 64), Image.Resampling.BOX)).astype(int)
    assert steepness(ours) > 1.3 * steepness(bicubic)
    assert np.abs(again - np.asarray(small)).mean() < 8
