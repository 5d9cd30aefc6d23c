"""Which site a command talks to, and with which key."""

from collections.abc import Callable
from typing import TypeVar

import click

from cli.client import Client
from cli.home import Home
from cli.owner import kept_key
from cli.stack import local_url
from shared.errors import Unauthorized
from shared.settings import Settings

_Command = TypeVar("_Command", bound=Callable[..., None])


def site_options(command: _Command) -> _Command:
    """The options that say where the site is and who asks."""
    key = click.option("--key", help="API key. Default: ATELIER_API_KEY, else the one that `atelier up` made here.")
    url = click.option("--url", help="Address of the site. Default: ATELIER_URL, else this machine's.")
    return url(key(command))


def connect(url: str | None, key: str | None) -> Client:
    """A client for the site of this machine, or the one that is named.

    Raises:
        Unauthorized: there is no key to use.
    """
    settings = Settings()
    key = key or settings.api_key or kept_key(Home(settings.home))
    if not key:
        raise Unauthorized(
            "There is no key: give --key, set ATELIER_API_KEY, or start Atelier once: "
            f"its key is then kept in {settings.home}."
        )
    return Client(url or settings.public_url or local_url(settings), key)
