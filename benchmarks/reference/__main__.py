"""`python -m benchmarks.reference [ROW ...]`: published results beside ours. Rows that have run are not run again."""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from benchmarks.installation import installation
from benchmarks.reference.house import House
from benchmarks.reference.letters import letters
from benchmarks.reference.paintings import dcgan, ddpm, vae
from benchmarks.reference.results import Result, keep, read, table
from benchmarks.reference.sentences import parity, sentiment
from benchmarks.reference.sources import Missing

ROWS: dict[str, Callable[[House, Path], Result]] = {
    "letters": letters,
    "vae": vae,
    "dcgan": dcgan,
    "ddpm": ddpm,
    "sentiment": sentiment,
    "parity": parity,
}


def main() -> None:
    """Run what has no result yet, and print all results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reference", description=__doc__)
    parser.add_argument("row", nargs="*", choices=[*ROWS, []], help="which; all by default")
    parser.add_argument("--data", type=Path, default=Path("var/reference"), help="packages, and the results so far")
    parser.add_argument("--again", action="store_true", help="also rows that have a result")
    asked = parser.parse_args()
    names, folder = asked.row or list(ROWS), asked.data.resolve()
    missing = [name for name in names if not _run(name, folder, again=asked.again)]
    done = read(folder)
    print(table([done[name] for name in ROWS if name in done]))
    raise SystemExit(1 if missing else 0)


def _run(name: str, folder: Path, *, again: bool) -> bool:
    """Run a row in an installation of its own; whether there is a result."""
    if name in read(folder) and not again:
        return True
    print(f"{name} ...", file=sys.stderr, flush=True)
    began = time.perf_counter()
    try:
        with installation() as place:
            result = ROWS[name](House(place), folder)
    except Missing as why:
        print(f"{name}: {why}", file=sys.stderr)
        return False
    keep(folder, name, replace(result, seconds=time.perf_counter() - began))
    return True


if __name__ == "__main__":
    main()
