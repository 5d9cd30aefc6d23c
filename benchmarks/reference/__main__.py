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
    to_do = [name for name in names if asked.again or name not in read(folder)]
    missing = _run(to_do, folder) if to_do else []
    done = read(folder)
    print(table([done[name] for name in ROWS if name in done]))
    raise SystemExit(1 if missing else 0)


def _run(names: list[str], folder: Path) -> list[str]:
    """Run rows in one installation, each result kept as soon as there is one; those whose data cannot be had."""
    missing = []
    with installation() as place:
        house = House(place)
        for name in names:
            print(f"{name} ...", file=sys.stderr, flush=True)
            began = time.perf_counter()
            try:
                result = ROWS[name](house, folder)
            except Missing as why:
                print(f"{name}: {why}", file=sys.stderr)
                missing.append(name)
            else:
                keep(folder, name, replace(result, seconds=time.perf_counter() - began))
    return missing


if __name__ == "__main__":
    main()
