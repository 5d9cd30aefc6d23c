"""`python -m benchmarks [NAME ...]`: JSON lines, one a figure. `training` is all whose names begin so."""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Iterator

from benchmarks import (
    batch,
    finishing,
    killing,
    loading,
    pages,
    pictures,
    queue,
    sharing,
    sounds,
    submit,
    texts,
    training,
)
from benchmarks.installation import Installation, installation

BENCHMARKS: dict[str, Callable[[Installation], Iterator[dict[str, object]]]] = {
    "submit": submit.http_submit,
    "batch": batch.http_upload,
    "claim": queue.claim_in_a_long_table,
    "pages": pages.full_house,
    "open-pages": pages.open_pages,
    "jobs": queue.end_to_end,
    "writing": texts.writing,
    "reading": texts.reading,
    "images": pictures.images,
    "samples": pictures.samples,
    "films": pictures.films,
    "speech": sounds.speech,
    "music": sounds.music,
    "transcripts": sounds.transcripts,
    "sharing-texts": sharing.texts,
    "sharing-images": sharing.images,
    "finishing": finishing.finishing,
    "residency": loading.residency,
    "lora": loading.lora,
    "training-steps": training.steps,
    "training-packing": training.packing,
    "training-checkpoints": training.checkpoints,
    "training-killed": killing.killed,
}


def main() -> None:
    """Run the named benchmarks, each in an installation and a process of its own."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="*", help=f"which, or how it begins; all by default: {', '.join(BENCHMARKS)}")
    asked = parser.parse_args().name
    names = [
        name for name in BENCHMARKS if not asked or any(name == each or name.startswith(f"{each}-") for each in asked)
    ]
    if not names:
        parser.error(f"there is no benchmark {' '.join(asked)}")
    if len(names) > 1:
        # What one leaves in memory, and the pulse of its worker, would be in the next one's figures.
        raise SystemExit(max(_alone(name) for name in names))
    with installation() as place:
        for figure in BENCHMARKS[names[0]](place):
            print(json.dumps(figure), flush=True)


def _alone(name: str) -> int:
    return subprocess.run([sys.executable, "-m", "benchmarks", name], check=False).returncode


if __name__ == "__main__":
    main()
