"""`atelier doctor`: whether this machine has what an installation needs, each check one line."""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from cli import wheels
from cli.processes import can_enter_namespace
from cli.stack import check_port
from shared.db import Database
from shared.errors import AtelierError
from shared.model_sources import package_folder
from shared.settings import Settings
from shared.starters import STARTERS

MIN_FREE_GB = 2.0


@dataclass(frozen=True)
class Finding:
    """One check: what it looked at, whether that is well, and what it saw."""

    subject: str
    well: bool
    seen: str


@click.command()
@click.pass_context
def doctor(context: click.Context) -> None:
    """Check this machine: Python, services, disk, port, devices, models."""
    findings = list(examine(Settings()))
    for finding in findings:
        mark = click.style("ok  ", fg="green") if finding.well else click.style("BAD ", fg="red")
        click.echo(f"{mark}{finding.subject}: {finding.seen}")
    context.exit(0 if all(finding.well for finding in findings) else 1)


def examine(settings: Settings) -> Iterator[Finding]:
    """Every check, in the order in which a start would need it."""
    yield Finding("Python", sys.version_info >= (3, 11), f"{platform.python_version()} at {sys.executable}")
    yield _disk(settings.home)
    yield _service("Redis", settings.redis_url, wheels.valkey_server)
    yield _service("Postgres", settings.database_url, wheels.postgres_bin)
    if settings.database_url:
        yield _attempt("database", lambda: _reach(settings.database_url))
    elif os.geteuid() == 0:
        how = "a user namespace" if can_enter_namespace() else "the user nobody"
        yield Finding("root", True, f"Postgres refuses root; it will run in {how}")
    yield _attempt("port", lambda: _port(settings))
    yield _gpus()
    for starter in STARTERS:
        folder = package_folder(starter.source.removeprefix("package:"))
        there = folder is not None and folder.is_dir()
        yield Finding(f"model {starter.name}", there, starter.title if there else f"{starter.source} is not installed")


def _service(name: str, url: str, find: Callable[[], Path]) -> Finding:
    if url:
        return Finding(name, True, "named by its URL")
    return _attempt(name, lambda: f"embedded, {find()}")


def _attempt(subject: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(subject, True, check())
    except AtelierError as error:
        return Finding(subject, False, str(error))


def _reach(url: str) -> str:
    db = Database(url)
    try:
        db.ping()
    finally:
        db.dispose()
    return "answers"


def _port(settings: Settings) -> str:
    check_port(settings)
    return f"{settings.port} of {settings.host} is free"


def _disk(home: Path) -> Finding:
    existing = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(existing).free / 1e9
    writable = os.access(existing, os.W_OK)
    seen = f"{free:.0f} GB free in {home}" if writable else f"{existing} cannot be written to"
    return Finding("disk", writable and free >= MIN_FREE_GB, seen)


def _gpus() -> Finding:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return Finding("devices", True, f"no NVIDIA GPU; jobs run on the CPU ({os.cpu_count()} cores)")
    asked = subprocess.run(
        [tool, "--query-gpu=name,memory.total", "--format=csv,noheader"], capture_output=True, text=True, check=False
    )
    if asked.returncode != 0:
        return Finding("devices", False, f"nvidia-smi fails: {(asked.stderr or asked.stdout).strip()}")
    return Finding("devices", True, "; ".join(asked.stdout.strip().splitlines()))
