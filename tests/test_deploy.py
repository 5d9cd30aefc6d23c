"""docker-compose.yml and Dockerfile against the code: no engine is needed to see that they name what exists."""

import ast
import re
import shlex
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from cli.__main__ import atelier
from cli.stack import WEB_THREADS
from shared.queue import broker_url
from shared.settings import Settings
from shared.storage import Storage
from web.app import STREAMS, create_app
from worker import beat
from worker.pulse import sign_of_life

ROOT = Path(__file__).parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
DOCKERFILE = [
    line.strip()
    for line in (ROOT / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    if line.strip() and not line.startswith("#")
]
VARIABLES = {name for field in Settings.model_fields.values() for name in field.validation_alias.choices}
EXAMPLE = dict(
    line.split("=", 1) for line in (ROOT / ".env.example").read_text().splitlines() if line and not line.startswith("#")
)


def instructions(name: str) -> list[str]:
    return [line.split(None, 1)[1] for line in DOCKERFILE if line.split(None, 1)[0] == name]


def filled(value: str) -> str:
    """A value as compose reads it with .env.example, every secret being `secret`."""
    return re.sub(r"\$\{(\w+)[^}]*\}", lambda found: EXAMPLE[found[1]] or "secret", value)


def environment(service: dict[str, Any]) -> dict[str, str]:
    return {name: filled(str(value)) for name, value in service.get("environment", {}).items()}


def test_every_part_of_the_house_has_its_service() -> None:
    assert set(SERVICES) == {"postgres", "redis", "s3", "migrate", "web", "beat", "worker-cpu", "worker-gpu"}
    assert set(OURS) == {"migrate", "web", "beat", "worker-cpu", "worker-gpu"}


@pytest.mark.parametrize("name", OURS)
def test_each_command_exists(name: str) -> None:
    command = OURS[name]["command"]
    if command[0] == "atelier":
        assert atelier.get_command(click.Context(atelier), command[1]) is not None
        return
    assert command[:2] == ["python", "-m"]
    spec = find_spec(command[2])
    assert spec is not None
    assert spec.origin is not None
    if spec.submodule_search_locations:
        spec = find_spec(f"{command[2]}.__main__")
        assert spec is not None
        assert spec.origin is not None
    source = ast.parse(Path(spec.origin).read_text())
    assert "__main__" in ast.unparse(source.body[-1])
    for option in [word for word in command[3:] if word.startswith("--")]:
        assert option in ast.unparse(source)


@pytest.mark.parametrize("name", OURS)
def test_each_variable_is_a_setting(name: str) -> None:
    given = environment(OURS[name])
    assert {each for each in given if not each.startswith("AWS_")} <= VARIABLES


def test_the_settings_that_compose_gives_are_usable(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment(OURS["web"]).items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert settings.host == "0.0.0.0"
    assert settings.database_url.startswith("postgresql://atelier:secret@postgres:5432/")
    assert broker_url(settings.redis_url) == settings.redis_url
    assert Storage(settings.storage).folder is None
    assert settings.url == "http://localhost:8000"


def test_addresses_name_services_and_their_ports() -> None:
    given = environment(OURS["web"])
    hosts = {re.search(r"(?:@|//)([\w-]+):(\d+)", given[name]).groups() for name in ("DATABASE_URL", "REDIS_URL")}  # type: ignore[union-attr]
    assert hosts == {("postgres", "5432"), ("redis", "6379")}
    port = next(word.split("=")[1] for word in SERVICES["s3"]["command"] if word.startswith("-s3.port="))
    assert given["AWS_ENDPOINT"] == f"http://s3:{port}"
    assert f":{port}/" in SERVICES["s3"]["healthcheck"]["test"][-1]
    assert SERVICES["web"]["ports"] == ["127.0.0.1:${ATELIER_PORT:-8000}:" + given["ATELIER_PORT"]]
    assert instructions("EXPOSE") == [given["ATELIER_PORT"]]


def test_every_secret_is_asked_for_and_none_is_written_down() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    asked = set(re.findall(r"\$\{(\w+)", text))
    assert asked == set(EXAMPLE)
    for secret in ("ATELIER_API_KEY", "POSTGRES_PASSWORD", "REDIS_PASSWORD", "AWS_SECRET_ACCESS_KEY"):
        assert EXAMPLE[secret] == ""
        assert not re.search(rf"\$\{{{secret}(?!:\?)", text), f"{secret} must be required, with :?"


@pytest.mark.parametrize("name", SERVICES)
def test_images_are_pinned(name: str) -> None:
    assert re.search(r":\d+\.\d+(\.\d+)?$", SERVICES[name]["image"])


def test_the_base_image_is_pinned_and_new_enough() -> None:
    assert re.fullmatch(r"python:3\.1[1-3]\.\d+-slim-bookworm", instructions("FROM")[0])


@pytest.mark.parametrize("name", OURS)
def test_our_processes_are_not_root(name: str) -> None:
    assert OURS[name]["user"] == instructions("USER")[0] == "10001:10001"
    assert OURS[name]["cap_drop"] == ["ALL"]


def test_what_the_dockerfile_copies_exists_and_is_not_ignored() -> None:
    sources = [word for line in instructions("COPY") for word in shlex.split(line)[:-1]]
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {source.rstrip("/") for source in sources} == allowed
    assert all((ROOT / source).exists() for source in sources)


def test_what_the_image_lacks_is_not_imported() -> None:
    """The image has every package that pyproject.toml installs."""
    packages = re.search(r"include = \[(.*)\]", (ROOT / "pyproject.toml").read_text())
    assert packages is not None
    wanted = {name.strip(' "').rstrip("*") for name in packages[1].split(",")}
    copied = {word for line in instructions("COPY") for word in shlex.split(line)[:-1]}
    assert wanted <= copied


def test_the_health_check_asks_an_address_that_the_site_has(settings: Settings) -> None:
    (path,) = re.findall(r"localhost:8000(/\w+)", SERVICES["web"]["healthcheck"]["test"][-1])
    assert path in {str(rule) for rule in create_app(settings).url_map.iter_rules()}


@pytest.mark.parametrize("name", ["worker-cpu", "worker-gpu"])
def test_the_workers_health_check_looks_where_they_leave_a_sign(name: str, settings: Settings) -> None:
    check = OURS[name]["healthcheck"]["test"][-1]
    home = next(line.split("ATELIER_HOME=")[1].split()[0] for line in DOCKERFILE if "ATELIER_HOME=" in line)
    sign = sign_of_life(settings.model_copy(update={"home": Path(home)}), "cpu-0")
    assert f"find {sign.parent} -name '*{sign.suffix}'" in check
    assert OURS[name]["volumes"] == [f"{name}:{home}"]
    assert OURS[name]["hostname"] == name


def test_the_health_check_of_beat_looks_where_it_leaves_a_sign(settings: Settings) -> None:
    sign = beat.sign_of_life(settings.model_copy(update={"home": Path("/var/lib/atelier")}))
    assert f"find {sign.parent} -name '{sign.name}'" in OURS["beat"]["healthcheck"]["test"][-1]


@pytest.mark.parametrize("name", [name for name in SERVICES if name != "migrate"])
def test_every_service_that_waits_for_work_has_a_health_check(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}


def test_each_service_starts_after_what_it_needs() -> None:
    assert SERVICES["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    for name in ("web", "beat", "worker-cpu", "worker-gpu"):
        assert SERVICES[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}


def test_volumes_are_declared() -> None:
    used = {volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}
    assert used == set(COMPOSE["volumes"])


def test_a_gpu_worker_reserves_the_gpus() -> None:
    (device,) = SERVICES["worker-gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}


def test_waiting_clients_never_hold_every_thread_of_the_site() -> None:
    assert STREAMS < WEB_THREADS
