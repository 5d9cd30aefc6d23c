"""Code as text: where it stands in an answer, and whether Python can parse it. Knows no model, runs no code."""

import ast
import re
import textwrap
import warnings

_FENCED = re.compile(r"```[^\n`]*\n(.*?)(?:^[ \t]*```|\Z)", re.DOTALL | re.MULTILINE)


def extract(answer: str) -> str:
    """The code of an answer alone: the first fenced block that holds any, or the whole answer if none is fenced."""
    blocks = [block for block in _FENCED.findall(answer) if block.strip()]
    code = blocks[0] if blocks else answer.replace("```", "")
    lines = [line.rstrip() for line in textwrap.dedent(code).splitlines()]
    return "\n".join(lines).strip("\n")


def parses(code: str) -> bool:
    """Whether this is Python with at least one statement."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a strange escape in generated code is not our warning
        try:
            return bool(ast.parse(code).body)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return False


def parsable_prefix(code: str) -> str:
    """The longest beginning of the code, in whole lines, that is Python; empty where there is none."""
    lines = code.splitlines()
    for end in range(len(lines), 0, -1):
        prefix = "\n".join(lines[:end]).rstrip()
        if parses(prefix):
            return prefix
    return ""
