"""Parts of the `atelier` command, each on its own."""

import io
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest

from cli import work
from cli.client import Client
from cli.demo import SAMPLES
from cli.home import SOCKET_LIMIT, Home
from cli.processes import Command, Process
from cli.stack import Part, check_key, check_port, environment_of
from shared import kinds
from shared.errors import AtelierError, Conflict, Invalid, Unavailable
from shared.settings import Settings


def client_that_gets(response: httpx2.Response | Exception) -> Client:
    def answer(request: httpx2.Request) -> httpx2.Response:
        if isinstance(response, Exception):
            raise response
        return response

    return Client("http://site", "key", transport=httpx2.MockTransport(answer))


def test_words_become_params_of_the_kinds_types() -> None:
    params = work.parse("generate_text", ("prompt=42", "max_new_tokens=7", "temperature=0.5", 'stop=["a", "b"]'))
    assert params == {"prompt": "42", "max_new_tokens": 7, "temperature": 0.5, "stop": ["a", "b"]}


def test_nothing_may_be_given_where_a_field_begins_with_something() -> None:
    words = ("dataset=d", "name=mine", "method=full", "base=", "clip=")
    params = work.parse("train_causal_lm", words)
    assert (params["base"], params["clip"]) == (None, None)


def test_a_value_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "prompt.txt").write_text("from a file")
    assert work.parse("generate_text", (f"prompt=@{tmp_path}/prompt.txt",)) == {"prompt": "from a file"}


@pytest.mark.parametrize(
    ("words", "field"),
    [(("prompt=x", "max_new_tokens=many"), "max_new_tokens"), (("prompt=x", "colour=red"), "colour")],
)
def test_wrong_words_are_refused_before_anything_is_sent(words: tuple[str, ...], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        work.parse("generate_text", words)
    assert refused.value.field == field


def test_a_kind_that_only_the_server_knows_is_sent_as_it_is() -> None:
    assert work.parse("of_the_server", ("steps=3", "name=x")) == {"steps": 3, "name": "x"}


def test_a_problem_is_told_with_its_fields() -> None:
    problem = {"title": "Invalid", "detail": "Two values are wrong.", "code": "invalid"}
    problem["errors"] = [{"field": "steps", "message": "Must be 1 or more."}]
    with (
        client_that_gets(httpx2.Response(422, json=problem)) as client,
        pytest.raises(AtelierError, match=r"Two values are wrong\.\n  steps: Must be 1 or more\."),
    ):
        client.job("x")


def test_an_answer_that_is_no_problem_document_is_told_too() -> None:
    with (
        client_that_gets(httpx2.Response(502, text="<html>")) as client,
        pytest.raises(AtelierError, match="answered 502"),
    ):
        client.job("x")


def test_a_site_that_is_not_there_is_told_with_what_to_do() -> None:
    with (
        client_that_gets(httpx2.ConnectError("refused")) as client,
        pytest.raises(Unavailable, match="Start the site with `atelier up`"),
    ):
        client.jobs()


def test_a_submit_whose_answer_was_lost_is_sent_again_with_the_same_idempotency_key() -> None:
    seen: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.headers["Idempotency-Key"])
        if len(seen) == 1:
            raise httpx2.ReadError("broken")
        return httpx2.Response(202, json={"id": "job_1"})

    with Client("http://site", "key", transport=httpx2.MockTransport(answer)) as client:
        assert client.submit("probe", {})["id"] == "job_1"
    assert len(seen) == 2
    assert len(set(seen)) == 1


def test_sockets_of_a_deep_home_are_kept_in_a_short_folder(tmp_path: Path) -> None:
    deep = Home(tmp_path / ("d" * 120))
    deep.make()
    assert len(os.fsencode(deep.sockets() / ".s.PGSQL.5432.lock")) <= SOCKET_LIMIT
    assert deep.sockets() != Home(tmp_path / ("e" * 120)).sockets()
    assert deep.sockets().stat().st_mode & 0o777 == 0o700
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(deep.sockets() / ".s.PGSQL.5432"))
    (deep.sockets() / ".s.PGSQL.5432").unlink()
    deep.sockets().rmdir()


def test_a_home_has_one_holder_at_a_time(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.make()
    lock = home.lock()
    holding = f"from cli.home import Home; from pathlib import Path; Home(Path({str(home.path)!r})).lock()"
    second = subprocess.run([sys.executable, "-c", holding], capture_output=True, text=True, check=False)
    assert f"running in {home.path} already (process {os.getpid()})" in second.stderr
    os.close(lock)
    assert subprocess.run([sys.executable, "-c", holding], check=False).returncode == 0


def test_others_may_not_reach_a_site_whose_key_nobody_chose() -> None:
    with pytest.raises(Conflict, match="ATELIER_API_KEY"):
        check_key(Settings(host="0.0.0.0", api_key=None))
    check_key(Settings(host="0.0.0.0", api_key="chosen-by-somebody"))
    check_key(Settings(host="127.0.0.1", api_key=None))


def test_a_port_in_use_is_told() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(Conflict, match="choose another port with ATELIER_PORT"):
            check_port(Settings(port=other.getsockname()[1]))


def test_variables_that_are_not_ours_are_not_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in {"HOME": "/home/somebody", "PORT": "3000", "HOST": "0.0.0.0", "API_KEY": "not ours"}.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert (settings.home, settings.port, settings.host) == (tmp_path / "var", 8000, "127.0.0.1")
    assert settings.api_key is None


def test_children_read_the_settings_that_we_have(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment_of(settings).items():
        monkeypatch.setenv(name, value)
    theirs = Settings()
    for name in ("home", "host", "port", "drain_s", "database_url", "redis_url", "storage"):
        assert getattr(theirs, name) == getattr(settings, name)


def test_a_process_that_does_not_stop_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    script = "trap '' TERM; sleep 60 & echo $!; wait; sleep 60"
    process = Process(Command("stubborn", ["sh", "-c", script]), tmp_path / "log")
    until = time.monotonic() + 10
    while not process.last_words() and time.monotonic() < until:
        time.sleep(0.02)
    child = int(process.last_words())
    process.stop(0.2)
    assert process.returncode == -signal.SIGKILL
    time.sleep(0.2)
    assert not Path(f"/proc/{child}").exists() or "Z" in Path(f"/proc/{child}/stat").read_text().rsplit(")", 1)[1][:3]


def test_a_log_that_grew_large_is_set_aside(tmp_path: Path) -> None:
    log = tmp_path / "part.log"
    log.write_bytes(b"x" * (11 << 20))
    process = Process(Command("part", ["echo", "hello"]), log)
    until = time.monotonic() + 10
    while process.returncode is None and time.monotonic() < until:
        time.sleep(0.02)
    assert log.read_text() == "hello\n"
    assert (tmp_path / "part.log.1").stat().st_size == 11 << 20


def test_what_dies_young_is_started_later_and_later(tmp_path: Path) -> None:
    part = Part(Command("brief", ["true"]), 1)
    waits = []
    for _ in range(3):
        part.launch(tmp_path / "log")
        assert part.process is not None
        part.process.stop(5)
        assert not part.is_due()
        assert part.again_at is not None
        waits.append(round(part.again_at - time.monotonic()))
    assert waits == [1, 2, 4]


def test_every_command_has_its_help() -> None:
    shown = subprocess.run([sys.executable, "-m", "cli", "--help"], capture_output=True, text=True, check=True).stdout
    for name in ("up", "demo", "submit", "status", "jobs", "cancel", "kinds", "keys", "models", "doctor", "migrate"):
        assert f"\n  {name} " in io.StringIO(shown).read()


@pytest.mark.parametrize(("kind", "params"), SAMPLES)
def test_the_sample_jobs_are_valid(kind: str, params: dict[str, Any]) -> None:
    kinds.validate(kind, params)
