from pathlib import Path

from PIL import Image

from worker.engines.pictures import parameters_text, save_png, save_preview


def test_a_preview_is_256_pixels_at_most_and_in_form(tmp_path: Path):
    save_preview(Image.new("RGBA", (1024, 512)), tmp_path / "preview.jpg")
    with Image.open(tmp_path / "preview.jpg") as preview:
        assert (preview.format, preview.size) == ("JPEG", (256, 128))


def test_a_png_carries_any_text(tmp_path: Path):
    text = parameters_text("東京 at night", None, {"Steps": 3, "CFG scale": None})
    save_png(Image.new("RGB", (8, 8)), tmp_path / "a.png", parameters=text, record={"prompt": "東京"})
    with Image.open(tmp_path / "a.png") as image:
        assert image.text["parameters"] == "東京 at night\nSteps: 3"
        assert image.text["atelier"] == '{"prompt": "\\u6771\\u4eac"}'
