"""How every process of the installation logs: to standard error, with the time, at the level that was set."""

import logging

from shared.settings import Settings


def begin(settings: Settings) -> None:
    """Set up the root logger of this process."""
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
