"""What the safety filter and the signature cost: the same job with both and with neither, in turns."""

import statistics
from collections.abc import Iterator
from typing import Any

from benchmarks.installation import Installation
from benchmarks.overhead import UNFINISHED, Figure, ran, timed

_JOBS: dict[str, tuple[str, dict[str, Any], int]] = {
    "text": ("generate_text", {"prompt": "Write about the sea.", "temperature": 0, "max_new_tokens": 32}, 1),
    "picture_256": ("generate_image", {"prompt": "a red apple", "images": 4, "seed": 0}, 4),
    "picture_64": ("generate_image", {"prompt": "a red apple", "images": 4, "upscale": 1, "seed": 0}, 4),
    "sound": ("generate_speech", {"text": "Every job waits its turn, and none is lost.", "seed": 0}, 1),
    "film": ("generate_video", {"prompt": "apple", "then": ["sun"], "frames": 16, "steps": 8, "upscale": 1}, 1),
}


def finishing(place: Installation) -> Iterator[Figure]:
    """Milliseconds of the processor a file of each medium, and the whole job's ratio to one without."""
    for medium, (kind, params, files) in _JOBS.items():
        pairs = timed(
            lambda kind=kind, params=params: ran(place, kind, params | UNFINISHED),
            lambda kind=kind, params=params: ran(place, kind, params),
        )
        yield {
            "figure": f"finishing_{medium}",
            "cpu_ms_per_file": round(
                1000 * statistics.median(after.cpu - before.cpu for before, after in pairs) / files, 1
            ),
            "ratio": round(statistics.median(after.cpu / before.cpu for before, after in pairs), 3),
        }
