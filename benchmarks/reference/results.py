"""What the rows gave: kept in a file, so that a run goes on where another ended, and shown as a table."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

_FILE = "results.json"


@dataclass(frozen=True)
class Result:
    """One row: what was published and where, what came out here, and of what it was made."""

    row: str
    published: str
    source: str
    ours: str
    target: str
    #: Whether the target was reached; None where there is none.
    reached: bool | None
    data: str
    seconds: float = 0.0
    figures: dict[str, Any] = field(default_factory=dict)


def read(folder: Path) -> dict[str, Result]:
    """The results in a folder, by row."""
    path = folder / _FILE
    if not path.is_file():
        return {}
    return {name: Result(**result) for name, result in json.loads(path.read_text()).items()}


def keep(folder: Path, name: str, result: Result) -> None:
    """Put a result beside the others, in the place of an earlier one of that row."""
    kept = read(folder) | {name: result}
    partial = folder / f"{_FILE}.part"
    partial.write_text(json.dumps({row: asdict(each) for row, each in kept.items()}, indent=1, ensure_ascii=False))
    partial.replace(folder / _FILE)


def table(results: list[Result]) -> str:
    """A Markdown table."""
    lines = ["| row | published | ours | target | data | time |", "|---|---|---|---|---|---|"]
    for each in results:
        reached = {True: " ✓", False: " **missed**", None: ""}[each.reached]
        lines.append(
            f"| {each.row} | {each.published} ({each.source}) | {each.ours} | {each.target}{reached} | {each.data} "
            f"| {each.seconds / 60:.1f} min |"
        )
    return "\n".join(lines)
