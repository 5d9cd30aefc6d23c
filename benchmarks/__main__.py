"""`python -m benchmarks [NAME ...]`: JSON lines, one a figure."""

import argparse
import json
from collections.abc import Callable, Iterator

from benchmarks import batch, kinds_overhead, pages, queue, submit
from benchmarks.installation import Installation, installation

BENCHMARKS: dict[str, Callable[[Installation], Iterator[dict[str, object]]]] = {
    "submit": submit.http_submit,
    "batch": batch.http_upload,
    "claim": queue.claim_in_a_long_table,
    "pages": pages.full_house,
    "open-pages": pages.open_pages,
    "jobs": queue.end_to_end,
    "text": kinds_overhead.text,
    "image": kinds_overhead.image,
}


def main() -> None:
    """Run the named benchmarks, each in an installation of its own."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="*", choices=[*BENCHMARKS, []], help="which; all by default")
    for name in parser.parse_args().name or BENCHMARKS:
        with installation() as place:
            for figure in BENCHMARKS[name](place):
                print(json.dumps(figure), flush=True)


if __name__ == "__main__":
    main()
