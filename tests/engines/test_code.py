import pytest

from worker.engines.code import extract, parsable_prefix, parses


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("x = 1\n", "x = 1"),
        ("```python\nx = 1\n```", "x = 1"),
        ("Here it is:\n```py\nx = 1\n\ny = 2\n```\nHave fun!", "x = 1\n\ny = 2"),
        ("```\nx = 1\n", "x = 1"),
        ("```python\n```\n```python\nx = 1\n```", "x = 1"),
        ("    def f():\n        return 1\n", "def f():\n    return 1"),
        ("x = 1   \n```", "x = 1"),
        ("", ""),
    ],
)
def test_the_code_alone_is_left(answer: str, code: str):
    assert extract(answer) == code


@pytest.mark.parametrize("text", ["", "# only words", "def f(:", "x = = 1", "a\x00b", "(" * 5000, "Here is the code:"])
def test_what_is_no_program_does_not_parse(text: str):
    assert not parses(text)


def test_the_longest_program_at_the_beginning_is_found():
    # given a program that was cut off in its second function
    code = "def f():\n    return 1\n\ndef g():\n    if True:\n"
    # when it is trimmed, then the first function stays
    assert parsable_prefix(code) == "def f():\n    return 1"
    assert parsable_prefix("not a program") == ""
