"""`atelier up` as a user runs it: embedded services, real processes, one home folder; started once for most tests."""

import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import psutil
import pytest
from click.testing import CliRunner, Result

from cli.__main__ import atelier
from cli.processes import Command, Process
from tests.services import free_ports

ROOT = Path(__file__).parents[1]
START_S = 90


@dataclass
class Installation:
    """A running `atelier up`, its environment and what it has printed."""

    environment: dict[str, str]
    process: Process

    @property
    def home(self) -> Path:
        return Path(self.environment["ATELIER_HOME"])

    def printed(self) -> str:
        return self.process.last_words(200)

    def command(self, *arguments: str) -> Result:
        """A command, run in this process: a new one would spend its time on imports."""
        return CliRunner(env=self.environment).invoke(atelier, arguments)

    def said(self, *arguments: str) -> str:
        done = self.command(*arguments)
        assert done.exit_code == 0, done.output
        return done.stdout.strip()

    def processes(self, part: str = "") -> list[psutil.Process]:
        """Every process that runs for this home (or those of one part), but for the command itself."""
        found = []
        for process in psutil.process_iter():
            try:
                command = " ".join(process.cmdline())
                ours = part in command and str(self.home) in command + process.environ().get("ATELIER_HOME", "")
            except psutil.Error:
                continue
            if ours and process.pid != self.process.pid and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        return found

    def await_site(self, until: float) -> None:
        while True:
            try:
                if httpx2.get(f"http://127.0.0.1:{self.environment['ATELIER_PORT']}/readyz").is_success:
                    return
            except httpx2.TransportError:
                pass
            assert time.monotonic() < until
            time.sleep(0.1)

    def master(self, part: str) -> psutil.Process:
        """The process of this part that `atelier up` itself started."""
        return next(each for each in self.processes(part) if each.ppid() == self.process.pid)

    def await_gone(self, patience_s: float) -> None:
        until = time.monotonic() + patience_s
        while self.processes() and time.monotonic() < until:
            time.sleep(0.1)
        assert self.processes() == []


def start(environment: dict[str, str]) -> Installation:
    command = Command("up", [sys.executable, "-m", "cli", "up"], environment, folder=ROOT)
    installation = Installation(environment, Process(command, Path(environment["ATELIER_HOME"]).with_suffix(".log")))
    until = time.monotonic() + START_S
    while "Atelier is ready" not in installation.printed():
        if installation.process.returncode is not None or time.monotonic() > until:
            installation.process.kill()
            raise AssertionError(f"`atelier up` did not come up:\n{installation.printed()}")
        time.sleep(0.1)
    return installation


@pytest.fixture(scope="module")
def environment(short_tmp: Path) -> dict[str, str]:
    return os.environ | {
        "ATELIER_HOME": str(short_tmp / "up"),
        "ATELIER_PORT": str(free_ports(1)[0]),
        "ATELIER_KINDS_PATH": str(ROOT / "tests" / "probe"),
        "ATELIER_DEVICES": "cpu",
        "ATELIER_SWEEP_S": "1",
        "ATELIER_DRAIN_S": "3",
        "PYTHONUNBUFFERED": "1",
        "COLUMNS": "200",
    }


@pytest.fixture(scope="module")
def up(environment: dict[str, str]) -> Iterator[Installation]:
    installation = start(environment)
    yield installation
    installation.process.stop(60)


def test_it_says_what_it_does_and_how_to_log_in(up: Installation) -> None:
    printed = up.printed()
    for step in ("starting Redis", "starting Postgres", "newest schema", "starting web", "starting worker"):
        assert step in printed
    assert re.search(rf"http://127\.0\.0\.1:{up.environment['ATELIER_PORT']}/login\?key=\S{{20,}}", printed)
    assert (up.home / "owner.key").stat().st_mode & 0o777 == 0o600


def test_a_job_goes_through_and_its_file_arrives(
    up: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "probe succeeded" in up.said("submit", "probe", "steps=3", "seed=11", "--wait")
    assert (tmp_path / "count.txt").read_text() == "3 steps, seed 11\n"


def test_a_failed_job_is_told_by_the_exit_status(up: Installation) -> None:
    failed = up.command("submit", "probe", "deed=refuse", "--wait")
    assert failed.exit_code == 1
    assert "The probe was told to refuse. (probe_refused)" in failed.stdout


def test_status_list_and_cancel(up: Installation) -> None:
    job = up.said("submit", "probe", "steps=1000", "step_s=0.1", "--priority", "9")
    assert up.said("status", job).startswith("probe ")
    assert job in up.said("jobs", "--kind", "probe")
    assert up.said("cancel", job)
    until = time.monotonic() + 20
    while "cancelled" not in up.said("status", job):
        assert time.monotonic() < until


def test_a_mistake_is_one_sentence_and_no_traceback(up: Installation) -> None:
    for arguments in (("submit", "probe", "steps=-1"), ("status", "job_nothing"), ("submit", "nothing")):
        refused = up.command(*arguments)
        assert refused.exit_code == 1
        assert refused.stderr.startswith("atelier: ")
        assert "Traceback" not in refused.stderr


def test_keys_are_made_used_and_revoked(up: Installation) -> None:
    secret = up.said("keys", "create", "for the test", "--scope", "jobs:read")
    assert up.said("jobs", "--key", secret) is not None
    assert up.command("submit", "probe", "--key", secret).exit_code == 1
    line = next(line for line in up.said("keys", "list").splitlines() if "for the test" in line)
    assert secret not in line
    up.said("keys", "revoke", line.split("\t")[0])
    time.sleep(1.1)  # a web process may remember a key for a second
    assert "not valid" in up.command("jobs", "--key", secret).stderr


def test_models_are_listed_added_and_removed(up: Installation, tmp_path: Path) -> None:
    assert "smollm2-135m" in up.said("models", "list", "--task", "text-generation")
    (tmp_path / "weights.safetensors").write_bytes(b"x")
    up.said("models", "add", "mine", f"folder:{tmp_path}", "--task", "text-generation", "--licence", "CC0")
    assert "mine\ttext-generation\tmine\tCC0" in up.said("models", "list")
    up.said("models", "remove", "mine")
    assert "mine\t" not in up.said("models", "list")


def test_a_second_one_in_the_same_home_is_refused(up: Installation) -> None:
    second = up.command("up")
    assert second.exit_code == 1
    assert f"running in {up.home} already (process {up.process.pid})" in second.stderr


def test_doctor_sees_the_port_in_use(up: Installation) -> None:
    examined = up.command("doctor")
    assert examined.exit_code == 1
    assert "BAD port" in examined.stdout
    assert "ok  Redis: embedded" in examined.stdout
    assert "ok  model smollm2-135m" in examined.stdout


@pytest.mark.parametrize("part", ["granian", "worker.beat", "valkey-server"])
def test_what_is_killed_comes_back(up: Installation, part: str) -> None:
    victims = up.processes(part)
    victim = up.master(part)
    victim.kill()
    until = time.monotonic() + 40
    while True:
        now = up.processes(part)
        if len(now) == len(victims) and victim.pid not in {each.pid for each in now}:
            break
        assert time.monotonic() < until
        time.sleep(0.2)
    if part == "granian":
        assert {each.pid for each in now}.isdisjoint(each.pid for each in victims)
    up.await_site(until)
    assert "probe succeeded" in up.said("submit", "probe", "--wait", "steps=0")


def test_sigterm_leaves_no_process_and_the_next_start_has_all_data(up: Installation) -> None:
    job = up.said("submit", "probe", "steps=0", "--wait").split()[0]
    up.process.stop(60)
    assert up.process.returncode == 0
    up.await_gone(1)
    again = start(up.environment)
    assert "probe succeeded" in again.said("status", job)
    assert "login?key=" + (up.home / "owner.key").read_text().strip() in again.printed()
    for pid in [again.master("granian").pid, again.process.pid]:
        os.kill(pid, signal.SIGKILL)  # no chance to tidy up
    again.process.stop(0)
    again.await_gone(30)
    third = start(up.environment)
    assert "probe succeeded" in third.said("status", job)
    os.kill(third.process.pid, signal.SIGINT)
    until = time.monotonic() + 60
    while third.process.returncode is None and time.monotonic() < until:
        time.sleep(0.1)
    assert third.process.returncode == 0
    third.await_gone(1)
