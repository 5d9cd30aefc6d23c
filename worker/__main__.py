"""`python -m worker`: one worker per device of this machine, until told to stop."""

import argparse
import sys

from shared.logging import begin as begin_logging
from shared.settings import Settings
from worker.devices import find_devices
from worker.supervisor import Supervisor


def main() -> int:
    """Entry point; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m worker", description=__doc__)
    parser.add_argument(
        "--devices", help="for example cuda:0,cuda:1,cuda:2+cuda:3,cpu; default: every GPU, and the CPU"
    )
    arguments = parser.parse_args()
    settings = Settings()
    begin_logging(settings)
    wanted = tuple(arguments.devices.split(",")) if arguments.devices else settings.devices
    try:
        found = find_devices(wanted)
    except ValueError as error:
        parser.error(str(error))
    return Supervisor(settings, found).run()


if __name__ == "__main__":
    sys.exit(main())
