"""More rows to learn from, made of those that are there: words swapped or left out (EDA; Wei and Zou 2019), pictures
turned about."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path, PurePosixPath

from PIL import Image, ImageOps

from worker.engines.datasets.columns import Row

#: The share of the words that is touched.
_SHARE = 0.1


def varied(row: Row, number: int, seed: int) -> Row | None:
    """A labelled text with some words swapped, or with some left out, by turns; None where it is too short for that.

    Of the row, the number of the copy and the seed alone.
    """
    words = row["text"].split()
    if len(words) < 4:
        return None
    drawn = hashlib.blake2b(f"{seed}:{number}:{row['text']}".encode(), digest_size=8).digest()
    chance = random.Random(int.from_bytes(drawn))
    touched = max(1, round(_SHARE * len(words)))
    if number % 2 == 0:
        for _ in range(touched):
            one, other = chance.sample(range(len(words)), 2)
            words[one], words[other] = words[other], words[one]
    else:
        for _ in range(min(touched, len(words) - 1)):
            del words[chance.randrange(len(words))]
    return row | {"text": " ".join(words)}


def mirrored(row: Row, folder: Path) -> Row:
    """The row of a picture with the picture turned about, as a file beside it; `folder` is that of the dataset."""
    source = PurePosixPath(row["file"])
    target = source.with_name(f"{source.stem}-mirrored{source.suffix}")
    with Image.open(folder / source) as picture:
        turned = ImageOps.mirror(picture)
    # PNG loses nothing and takes no notice of the two.
    turned.save(folder / target, quality=95, subsampling=0)
    return row | {"file": str(target)}
