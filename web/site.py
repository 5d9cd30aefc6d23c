"""What one web process holds: settings, connections, and what is shared between its requests."""

from dataclasses import dataclass
from typing import cast

from flask import current_app

from shared.db import Database
from shared.queue import Ringer
from shared.settings import Settings
from shared.storage import Storage
from web.identities import Identities
from web.limits import Limits
from web.watcher import Watcher


@dataclass(frozen=True)
class Site:
    """The parts of a web process, made once by the factory."""

    settings: Settings
    db: Database
    storage: Storage
    ringer: Ringer
    watcher: Watcher
    identities: Identities
    limits: Limits


def site() -> Site:
    """The site of the current application."""
    return cast(Site, current_app.extensions["atelier"])
