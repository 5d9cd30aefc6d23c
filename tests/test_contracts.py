"""The rules of the house that no linter knows."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = [path for part in ("shared", "web", "worker", "cli", "migrations") for path in (ROOT / part).rglob("*.py")]
LONGEST_FUNCTION = 60
VAGUE = {"utils", "helpers", "common", "base", "manager", "misc"}


def loaded_by(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    return set(
        subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.split()
    )


@pytest.mark.parametrize("module", ["web.app", "cli.__main__", "worker.supervisor", "worker.beat"])
def test_only_the_worker_process_of_a_device_loads_a_framework(module: str) -> None:
    assert loaded_by(f"import {module}").isdisjoint({"torch", "transformers", "diffusers", "onnxruntime"})


def test_the_import_contracts_hold() -> None:
    linted = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert linted.returncode == 0, linted.stdout


def test_functions_fit_on_a_screen() -> None:
    long = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}: {node.end_lineno - node.lineno + 1} lines"
        for path in SOURCES
        if "versions" not in path.parts
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno
        if node.end_lineno - node.lineno + 1 > LONGEST_FUNCTION
    ]
    assert long == []


def test_files_are_named_for_what_is_in_them() -> None:
    assert [path for path in SOURCES if path.stem in VAGUE] == []


def test_every_dependency_has_its_tested_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["test"]
    names = {re.split(r"[\[<>=]", each)[0].lower().replace("_", "-") for each in wanted}
    pinned = {
        line.split("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    }
    assert names - pinned == set()


@pytest.mark.parametrize("name", ["wheels.txt", "tests/wheels.txt"])
def test_wheels_of_little_known_publishers_are_pinned_by_hash(name: str) -> None:
    text = (ROOT / name).read_text().replace("\\\n", " ")
    for line in [line for line in text.splitlines() if line and not line.startswith("#")]:
        assert re.fullmatch(r"[\w-]+==\S+(\s+--hash=sha256:[0-9a-f]{64})+\s*", line), line


def test_make_help_names_every_command() -> None:
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for target in ("demo", "up", "test", "check", "bench", "reference", "clean"):
        assert f"make {target} " in shown
