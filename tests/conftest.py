"""Fixtures for every test: real Postgres, real Redis, a real S3 server, and settings scaled down to seconds.

A service that cannot be had is a failure, never a skip.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from shared.db import Database
from shared.settings import Settings
from tests.services import S3, Services, start_s3

_OURS = ("ATELIER_", "DATABASE_URL", "REDIS_URL", "STORAGE_URL", "AWS_", "HF_", "CUDA_VISIBLE_DEVICES")

#: Files that take most of a minute and more, longest first.
_LONGEST = (
    "tests/faults/test_faults.py",
    "tests/web/test_browser.py",
    "tests/kinds/test_examples.py",
    "tests/faults/test_training_faults.py",
    "tests/web/test_plant_browser.py",
    "tests/test_cli_up.py",
    "tests/web/test_training_journeys.py",
    "tests/web/test_batch_browser.py",
    "tests/engines/test_training_groups.py",
    "tests/worker/test_every_kind.py",
    "tests/web/test_schedule_browser.py",
    "tests/faults/test_sharing_faults.py",
    "tests/kinds/test_train_on_groups.py",
    "tests/web/test_gallery_browser.py",
    "tests/worker/test_groups.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long files begin first, so that none is left for one process at the end."""
    place = {name: number for number, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: place.get(item.nodeid.partition("::")[0], len(place)))


@pytest.fixture(scope="session", autouse=True)
def _clean_environment() -> None:
    """No test sees the settings of whoever runs it, and none reaches for the network."""
    for name in [each for each in os.environ if each.startswith(_OURS)]:
        del os.environ[name]
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"


@pytest.fixture(scope="session")
def short_tmp() -> Iterator[Path]:
    """A folder whose path leaves room for the names of unix sockets."""
    folder = Path(tempfile.mkdtemp(prefix="atl", dir="/tmp"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def services(short_tmp: Path) -> Iterator[Services]:
    """Running Postgres and Redis; a test may stop and start them as it likes, if it leaves them running."""
    services = Services(short_tmp / "services")
    try:
        services.start()
        yield services
    finally:
        services.stop()


@pytest.fixture
def database_url(services: Services) -> Iterator[str]:
    """A database of the test's own, migrated and empty."""
    name = services.new_database()
    yield services.postgres.url_of(name)
    services.drop_database(name)


@pytest.fixture
def redis_url(services: Services) -> str:
    """An empty Redis database."""
    url = services.redis_url(1)
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    """A connection pool on the test's database."""
    db = Database(database_url)
    yield db
    db.dispose()


@pytest.fixture
def settings(database_url: str, redis_url: str, tmp_path: Path) -> Settings:
    """Settings of a whole installation in a temporary folder, with every interval scaled down."""
    return Settings(
        home=tmp_path / "home",
        port=18_000,
        database_url=database_url,
        redis_url=redis_url,
        storage_url=f"file://{tmp_path}/artifacts",
        devices=("cpu",),
        lease_s=3,
        pulse_s=0.2,
        heartbeat_s=0.5,
        sweep_s=0.5,
        retry_s=0.2,
        drain_s=5,
    )


@pytest.fixture
def environment(settings: Settings) -> dict[str, str]:
    """The environment that gives a subprocess the same settings."""
    made = dict(os.environ)
    for name, field in Settings.model_fields.items():
        value = getattr(settings, name)
        if value is not None and value != field.default:
            variable = field.validation_alias.choices[0]
            made[variable] = ",".join(value) if isinstance(value, tuple) else str(value)
    return made | {"PYTHONUNBUFFERED": "1"}


@pytest.fixture(scope="session")
def _s3(short_tmp: Path) -> Iterator[S3]:
    folder = short_tmp / "s3"
    folder.mkdir()
    s3 = start_s3(folder)
    yield s3
    s3.process.stop(10)


@pytest.fixture
def s3_url(_s3: S3, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty place in a bucket of a real S3 server; the AWS variables are set meanwhile."""
    for name, value in _s3.environment.items():
        monkeypatch.setenv(name, value)
    return _s3.new_url()
