"""The secret that signs sessions."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from web.secret import session_secret


def test_processes_that_start_at_once_share_one_secret(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        made = set(pool.map(lambda _: session_secret(tmp_path / "home"), range(16)))
    assert [len(each) for each in made] == [32]
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["secret.key"]
    assert (tmp_path / "home" / "secret.key").stat().st_mode & 0o077 == 0
