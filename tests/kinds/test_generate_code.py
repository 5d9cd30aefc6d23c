"""`generate_code`, run as a worker runs it."""

import ast
from collections.abc import Callable

import pytest

from shared.errors import Cancelled, JobError
from tests.kinds.context import FakeContext, run

Context = Callable[..., FakeContext]


def test_a_model_that_writes_no_python_fails_with_advice(context: Context):
    # given a model of random weights, which writes noise
    ctx = context()
    # when it is asked for Python, then every attempt is made and the failure is plain
    with pytest.raises(JobError) as caught:
        run("generate_code", ctx, model="tiny-llama", prompt="sort", max_new_tokens=40, temperature=2, attempts=2)
    assert caught.value.code == "no_code"
    assert [step[0] for step in ctx.steps] == [0, *range(1, 41), *range(1, 41)]
    assert any("Attempt 2 of 2" in step[2] for step in ctx.steps)
    assert ctx.saved == []


def test_other_languages_are_taken_as_they_are(context: Context):
    ctx = run("generate_code", context(), model="tiny-gpt2", prompt="sort", language="rust", max_new_tokens=30)
    (saved,) = ctx.outputs
    assert (saved.name, saved.media_type, saved.meta["language"]) == ("code.rs", "text/x-rust", "rust")
    assert "valid_syntax" not in ctx.metrics


def test_cancel_comes_within_one_step(context: Context):
    ctx = context(cancel_at=2)
    with pytest.raises(Cancelled):
        run("generate_code", ctx, model="tiny-llama", prompt="sort", max_new_tokens=50)
    assert ctx.steps[-1][0] == 2


@pytest.mark.quality
def test_the_starter_writes_a_function_that_works(context: Context):
    # given the starter model and a small task
    ctx = run("generate_code", context(), prompt="Write a function that adds two numbers.", temperature=0)
    # then the file is Python and nothing else
    (saved,) = ctx.outputs
    assert saved.name == "code.py"
    assert "```" not in saved.text
    functions = [node for node in ast.parse(saved.text).body if isinstance(node, ast.FunctionDef)]
    assert ctx.metrics["valid_syntax"] == 1
    # and its function adds
    namespace: dict = {}
    exec(compile(ast.Module([functions[0]], []), "code", "exec"), namespace)
    assert namespace[functions[0].name](20, 22) == 42


@pytest.mark.quality
def test_what_was_cut_off_is_trimmed_to_what_parses(context: Context):
    # given an answer that may not be long enough
    ctx = run(
        "generate_code", context(), prompt="A class for a bank account with deposit and withdraw.", max_new_tokens=45,
        seed=1, attempts=1,
    )  # fmt: skip
    # then what is left is Python all the same
    assert "class" in ctx.outputs[0].text
    assert ast.parse(ctx.outputs[0].text).body
