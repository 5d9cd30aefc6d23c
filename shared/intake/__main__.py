"""The child: `python -m shared.intake WAY FORMAT FILE FOLDER CAPS`, its answer one line of JSON on standard output.

The answer is what was made of the file, with names in FOLDER that are ours, or why it is not taken.
"""

import json
import os
import sys
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

from shared.intake import cage
from shared.intake.caps import Caps
from shared.intake.refusal import Refusal

_READERS = {
    "picture": "pictures", "stream": "streams", "text": "texts", "origin": "origins", "archive": "archives",
    "members": "members",
}  # fmt: skip


def main() -> int:
    """Decode one file; returns the exit status, which is 0 wherever there is an answer."""
    way, name, source, folder, caps = sys.argv[1:]
    told = Caps(**json.loads(caps))
    cage.close(told)
    # Only now, within its bounds: the decoders are large, and one of them is enough.
    reader = import_module(f"shared.intake.{_READERS[way]}")
    os.chdir(folder)
    try:
        answer = {"made": asdict(reader.read(Path(source), name, told))}
    except Refusal as refusal:
        answer = {"refused": {"code": refusal.code, "sentence": str(refusal)}}
    except MemoryError:
        answer = {"refused": {"code": "too_large", "sentence": "The file takes more memory to open than it may."}}
    sys.stdout.write(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main())
