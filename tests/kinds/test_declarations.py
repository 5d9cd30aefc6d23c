"""What the kinds say about themselves, and what they answer to wrong params."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared import kinds
from shared.errors import Invalid, NotFound
from tests.kinds.shipped import SHIPPED
from worker import kinds as work

PROMPTED = {"prompt": "hello"}


@pytest.fixture
def further_kinds(tmp_path: Path) -> Iterator[Path]:
    """A folder for kinds of the test's own; they are unknown again afterwards."""
    before = list(kinds.__path__), list(work.__path__)
    (tmp_path / "shared").mkdir()
    (tmp_path / "worker").mkdir()
    yield tmp_path
    kinds.__path__[:], work.__path__[:] = before
    kinds.names.cache_clear()


@pytest.mark.parametrize("kind", SHIPPED)
def test_a_kind_is_known_and_its_schema_is_complete(kind: str):
    # given a kind of the package
    assert kind in kinds.names()

    # when its schema is asked for
    schema = kinds.schema(kind)

    # then every field has words, a widget, and the whole is JSON
    for name, field in schema["properties"].items():
        assert field["title"], name
        assert field["description"].endswith("."), name
        assert field["x-ui"]["widget"], name
    assert json.loads(json.dumps(schema)) == schema
    assert schema["x-kind"]["name"] == kind


@pytest.mark.parametrize("kind", SHIPPED)
def test_every_example_is_valid_and_its_models_are_named(kind: str):
    cls = kinds.params_class(kind)
    for example in cls.examples:
        params = kinds.validate(kind, example)
        # Who trains loads its base anew, and who works on data needs none.
        assert params.affinity() or cls.needs_model or cls.trains or cls.output == "data"
        assert params.headline()
    assert cls.model_tasks() or cls.trains or cls.output == "data"


def test_an_unknown_kind_is_not_found():
    with pytest.raises(NotFound, match="generate_text"):
        kinds.params_class("../evil")
    with pytest.raises(NotFound):
        kinds.params_class("params")


@pytest.mark.parametrize(
    ("kind", "data", "field", "sentence"),
    [
        ("generate_text", {}, "", "Give either a prompt or a conversation"),
        ("generate_text", {"prompt": "a", "messages": [{"role": "user", "content": "b"}]}, "", "not both"),
        ("generate_text", {"prompt": "  "}, "", "blank"),
        ("generate_text", {"prompt": "a\x00b"}, "", "cannot be stored"),
        ("generate_text", {"prompt": "\ud800"}, "", "cannot be stored"),
        ("generate_text", {**PROMPTED, "raw": True, "system": "x"}, "", "chat form"),
        ("generate_text", {**PROMPTED, "num_sequences": 2, "temperature": 0}, "", "all answers are the same"),
        ("generate_text", {**PROMPTED, "num_sequences": 16, "max_new_tokens": 8192}, "", "32,768"),
        ("generate_text", {**PROMPTED, "max_new_tokens": "10"}, "max_new_tokens", "whole number"),
        ("generate_text", {**PROMPTED, "max_new_tokens": True}, "max_new_tokens", "whole number"),
        ("generate_text", {**PROMPTED, "max_new_tokens": 0}, "max_new_tokens", "1 or more"),
        ("generate_text", {**PROMPTED, "temperature": float("nan")}, "temperature", "finite"),
        ("generate_text", {**PROMPTED, "top_p": 0}, "top_p", "more than 0"),
        ("generate_text", {**PROMPTED, "stop": [""]}, "stop.0", "at least 1"),
        ("generate_text", {**PROMPTED, "seed": 2**63}, "seed", "or less"),
        ("generate_text", {**PROMPTED, "seed": -1}, "seed", "0 or more"),
        ("generate_text", {**PROMPTED, "nonsense": 1}, "nonsense", "no such setting"),
        ("generate_text", {"messages": [{"role": "boss", "content": "b"}]}, "messages.0.role", "one of"),
        ("generate_text", {"prompt": "a" * 20_001}, "prompt", "20000 characters or fewer"),
        ("generate_code", {**PROMPTED, "language": "cobol"}, "language", "one of"),
        ("generate_image", {**PROMPTED, "width": 33}, "width", "multiple of 8"),
        ("generate_image", {**PROMPTED, "width": 4096, "height": 4096}, "", "4.2 million"),
        ("generate_image", {**PROMPTED, "width": 2048, "height": 2048, "images": 16}, "", "34 million"),
        ("generate_image", {**PROMPTED, "upscale": 3}, "upscale", "one of"),
        ("generate_speech", {"text": "a", "voice": "../x"}, "voice", "not allowed"),
        ("generate_speech", {"text": "a", "speed": 9}, "speed", "2 or less"),
        ("generate_speech", {}, "text", "needed"),
        ("generate_music", {**PROMPTED, "duration": 1000}, "duration", "180 or less"),
        ("transcribe_audio", {"source": "x"}, "source", "not allowed"),
        ("transcribe_audio", {"source": "art_" + "0" * 26, "language": "English"}, "language", "not allowed"),
    ],
)
def test_wrong_params_are_answered_with_a_sentence(kind: str, data: dict, field: str, sentence: str):
    # when params are wrong, then the field is named and the sentence is plain
    with pytest.raises(Invalid) as caught:
        kinds.validate(kind, data)
    assert [(error["field"], sentence in error["message"]) for error in caught.value.errors] == [(field, True)]


def test_every_wrong_field_is_named_at_once():
    with pytest.raises(Invalid) as caught:
        kinds.validate("generate_image", {"prompt": "", "steps": 0, "images": 99})
    assert {error["field"] for error in caught.value.errors} == {"prompt", "steps", "images"}


def test_a_form_may_send_text_for_numbers():
    params = kinds.validate(
        "generate_image", {**PROMPTED, "upscale": "4", "steps": "7", "previews": "on"}, strict=False
    )
    assert (params.upscale, params.steps, params.previews) == (4, 7, True)


def test_deep_nesting_is_refused_quietly():
    nested: list = []
    for _ in range(50_000):
        nested = [nested]
    with pytest.raises(Invalid):
        kinds.validate("generate_text", {"prompt": "a", "stop": nested})


def test_a_folder_with_two_files_adds_a_kind(further_kinds: Path):
    # given two files in a folder
    (further_kinds / "shared" / "shout.py").write_text(
        "from shared.kinds.params import Params, Prompt\n"
        "class Shout(Params):\n"
        "    title = 'Shout'; summary = 'Makes it loud.'; icon = 'megaphone'; output = 'text'\n"
        "    examples = [{'prompt': 'hi'}]\n"
        "    prompt: Prompt\n"
    )
    (further_kinds / "worker" / "shout.py").write_text("def run(params, ctx):\n    ctx.metric('loud', 1)\n")

    # when the folder is added, twice even
    work.extend(further_kinds)
    work.extend(further_kinds)

    # then the kind is there, form and work
    assert "shout" in kinds.names()
    assert kinds.validate("shout", {"prompt": "hi"}).headline() == "hi"
    assert callable(work.run_function("shout"))


def test_a_second_file_of_the_same_name_is_an_error(further_kinds: Path):
    (further_kinds / "shared" / "generate_text.py").write_text("")
    kinds.extend(further_kinds)
    with pytest.raises(RuntimeError, match="generate_text"):
        kinds.names()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "exactly one Params class"),
        ("from shared.kinds.params import Params\nclass A(Params):\n    title = 'A'\n", "must set summary"),
    ],
)
def test_a_kind_that_is_not_whole_is_an_error(further_kinds: Path, text: str, sentence: str):
    (further_kinds / "shared" / f"broken_{len(text)}.py").write_text(text)
    kinds.extend(further_kinds)
    with pytest.raises(RuntimeError, match=sentence):
        kinds.params_class(f"broken_{len(text)}")


def test_asking_for_params_loads_no_model_library():
    # given a fresh process
    code = (
        "import sys\nfrom shared import kinds\n[kinds.schema(kind) for kind in kinds.names()]\n"
        "print(sorted({'torch', 'transformers', 'flask', 'sqlalchemy'} & set(sys.modules)))"
    )
    # when it reads every schema, then nothing heavy has been loaded
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
