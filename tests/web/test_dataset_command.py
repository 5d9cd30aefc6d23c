"""`atelier dataset` and `atelier datasets`, against a site that really listens."""

from pathlib import Path

from click.testing import CliRunner, Result

from cli.__main__ import atelier
from shared.owners import Owner
from tests.web.dataset_making import Make, make, rows

__all__ = ["make"]


def test_datasets_are_listed_shown_and_deleted(url: str, secret: str, make: Make, owner: Owner, tmp_path: Path) -> None:
    def run(*words: str) -> Result:
        return CliRunner().invoke(atelier, [*words, "--url", url, "--key", secret])

    make(owner, secret, "reviews", rows(30) + b'{"text": ""}\n')
    assert "reviews" in run("datasets").output
    assert "labelled" not in run("datasets", "--format", "chat").output
    shown = run("dataset", "show", "reviews").output
    assert "reviews@1  30 rows, 1 errors" in shown
    assert "1 × empty_field: Write something there" in shown
    gone = run("dataset", "remove", "reviews")
    assert (gone.exit_code, gone.output) == (0, "reviews is deleted\n")
    assert run("dataset", "remove", "reviews").exit_code == 1
    assert run("dataset", "add", str(tmp_path / "none.jsonl"), "--name", "x").exit_code == 2
