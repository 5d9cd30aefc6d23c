"""Pictures: PNG, JPEG and WebP, written anew as upright sRGB PNG or JPEG; what else was in the file is gone."""

import io
import warnings
from pathlib import Path

from PIL import Image, ImageCms, ImageFile, ImageOps, UnidentifiedImageError

from shared import thumbnails
from shared.intake.caps import Caps
from shared.intake.made import Made
from shared.intake.refusal import Refusal

_JPEG_QUALITY = 95


def read(source: Path, name: str, caps: Caps) -> Made:
    """The picture in a file of Pillow's format `name`.

    Raises:
        Refusal: it is damaged, moves, or has too many pixels or too odd a shape.
    """
    # The header is judged by our own caps before a pixel is decoded.
    Image.MAX_IMAGE_PIXELS = None
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    warnings.simplefilter("ignore")
    try:
        with Image.open(source, formats=[name]) as opened:
            _judge(opened, caps)
            opened.load()
            picture = _plain(ImageOps.exif_transpose(opened))
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError) as error:
        raise Refusal("unsupported_image", "The picture cannot be read: its file is damaged or cut off.") from error
    # JPEG stays JPEG; a WebP may be lossless, so it becomes what loses nothing.
    if name == "JPEG":
        target, media_type = Path("picture.jpg"), "image/jpeg"
        picture.save(target, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
    else:
        target, media_type = Path("picture.png"), "image/png"
        picture.save(target, "PNG")
    measured = thumbnails.measure(target)
    if measured is None:
        raise Refusal("unsupported_image", "The picture cannot be read.")
    small = measured.thumbnail.name if measured.thumbnail else None
    meta = {"width": measured.width, "height": measured.height}
    return Made(target.name, media_type, target.suffix, measured.width, measured.height, small, meta)


def _judge(picture: Image.Image, caps: Caps) -> None:
    width, height = picture.size
    # A JPEG of several pictures (MPO) comes from a camera: its first is the photo. Others with more than one move.
    if picture.format in {"PNG", "WEBP"} and getattr(picture, "is_animated", False):
        raise Refusal("unsupported_image", "The picture is animated. Send one frame of it, or a film.")
    if width * height > caps.pixels:
        megapixels = caps.pixels / 1e6
        raise Refusal("image_too_large", f"{width} × {height} pixels are too many: {megapixels:.1f} million at most.")
    if max(width, height) > caps.ratio * min(width, height):
        raise Refusal(
            "image_too_large", f"{width} × {height} is too narrow: one side at most {caps.ratio:g} times the other."
        )


def _plain(picture: Image.Image) -> Image.Image:
    """The same in 8 bits of grey, RGB or RGBA, with nothing beside the pixels."""
    profile = picture.info.get("icc_profile")
    if picture.mode.startswith("I;16") or picture.mode in {"I", "F"}:
        # 16 bits of grey: Pillow's own conversion would cut them off instead of scaling.
        picture = picture.convert("I").point(lambda level: level * (1 / 257)).convert("L")
        profile = None
    alpha = picture.convert("RGBA").getchannel("A") if picture.has_transparency_data else None
    colours = picture.convert("RGBA").convert("RGB") if alpha is not None else picture
    if colours.mode == "1":
        colours = colours.convert("L")
    if colours.mode not in {"L", "RGB", "CMYK"}:
        colours = colours.convert("RGB")
    colours = _srgb(colours, profile)
    plain = Image.new(colours.mode, colours.size)
    plain.paste(colours)
    if alpha is not None:
        plain = plain.convert("RGB")
        plain.putalpha(alpha)
    return plain


def _srgb(picture: Image.Image, profile: object) -> Image.Image:
    """By its own profile, where it has one that can be used; a broken one is left out, as browsers do."""
    wanted = "L" if picture.mode == "L" else "RGB"
    if isinstance(profile, bytes) and picture.mode != "L":
        try:
            own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            found = ImageCms.profileToProfile(picture, own, ImageCms.createProfile("sRGB"), outputMode="RGB")
        except (ImageCms.PyCMSError, OSError, ValueError):
            found = None
        if found is not None:
            return found
    return picture.convert(wanted)
