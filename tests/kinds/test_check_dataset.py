import csv
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.errors import Cancelled, Invalid, JobError
from tests.kinds.context import FakeContext, run

Context = Callable[..., FakeContext]
CHAT = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}


def jsonl(rows: list[Any]) -> bytes:
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


class Checked:
    """What a check handed over."""

    def __init__(self, ctx: FakeContext) -> None:
        self.files = {saved.name: saved for saved in ctx.saved}
        self.report: dict[str, Any] = json.loads(self.files["report.json"].text)
        self.problems = list(csv.DictReader(io.StringIO(self.files["problems.csv"].text)))
        made = [saved for saved in ctx.saved if saved.role == "dataset"]
        self.archive = made[0].data if made else b""
        self.meta = made[0].meta if made else {}

    def rows(self, split: str = "train") -> list[dict[str, Any]]:
        with zipfile.ZipFile(io.BytesIO(self.archive)) as archive:
            return [json.loads(line) for line in archive.read(f"{split}.jsonl").splitlines()]

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(each["place"], each["rule"]) for each in self.problems]


def given(ctx: FakeContext, content: bytes, name: str = "data.jsonl", media_type: str = "text/plain") -> str:
    path = ctx.workdir.parent / name
    path.write_bytes(content)
    return ctx.give(path, media_type)


@pytest.fixture
def check(context: Context) -> Callable[..., Checked]:
    def check(content: bytes | list[Any], name: str = "data.jsonl", **params: Any) -> Checked:
        ctx = context()
        if "model" not in params:
            ctx.models = {}  # tokens are reckoned, whatever starters there are
        source = given(ctx, jsonl(content) if isinstance(content, list) else content, name)
        run("check_dataset", ctx, **{"name": "data", "source": source, "validation": 0.0, **params})
        return Checked(ctx)

    return check


Check = Callable[..., Checked]


# ---- formats ---------------------------------------------------------------------------------------------------

SHAREGPT = {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}
PAIR = {"prompt": "Hi", "chosen": "Hello!", "rejected": "Go away."}
TALKS = {
    "chosen": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello!"}],
    "rejected": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Go away."}],
}
ASKED = [{"role": "user", "content": "Hi"}]
CONLL = b"Anna\tB-PER\nlives\tO\nin\tO\nNew\tB-LOC\nYork\tI-LOC\n\nShe\tO\nsings\tO\n"


@pytest.mark.parametrize(
    ("content", "name", "format_", "row"),
    [
        ([CHAT], "a.jsonl", "chat", CHAT),
        ([SHAREGPT], "a.jsonl", "chat", CHAT),
        (
            [{"system": "Be kind.", **SHAREGPT}], "a.jsonl", "chat",
            {"messages": [{"role": "system", "content": "Be kind."}, *CHAT["messages"]]},
        ),
        ([{"prompt": "2+2?", "completion": "4"}], "a.jsonl", "prompt", {"prompt": "2+2?", "completion": "4"}),
        ([{"question": "2+2?", "answer": "4"}], "a.jsonl", "prompt", {"prompt": "2+2?", "completion": "4"}),
        (
            [{"instruction": "Add.", "input": "2+2", "output": "4"}], "a.json", "prompt",
            {"prompt": "Add.\n\n2+2", "completion": "4"},
        ),
        ([{"text": "good", "label": "positive"}], "a.jsonl", "labelled", {"text": "good", "label": "positive"}),
        (b"sentence;sentiment\n\"good; very\";1\n", "a.csv", "labelled", {"text": "good; very", "label": "1"}),
        ([PAIR], "a.jsonl", "preference", PAIR),
        ([TALKS], "a.jsonl", "preference", {"prompt": ASKED, "chosen": "Hello!", "rejected": "Go away."}),
        (
            [{"chosen": "\n\nHuman: Hi\n\nAssistant: Hello!", "rejected": "\n\nHuman: Hi\n\nAssistant: Go away."}],
            "a.jsonl", "preference",
            {"prompt": "Human: Hi\n\nAssistant:", "chosen": "Hello!", "rejected": "Go away."},
        ),
        (
            CONLL, "a.conll", "entities",
            {"tokens": ["Anna", "lives", "in", "New", "York"], "tags": ["B-PER", "O", "O", "B-LOC", "I-LOC"]},
        ),
        (CONLL, "a.txt", "entities", None),
        (
            [{"text": "Anna sings.", "spans": [{"start": 0, "end": 4, "label": "PER"}]}], "a.jsonl", "entities",
            {"tokens": ["Anna", "sings", "."], "tags": ["B-PER", "O", "O"]},
        ),
        (
            [{"tokens": ["Anna", "sings"], "ner_tags": ["B-PER", "O"]}], "a.jsonl", "entities",
            {"tokens": ["Anna", "sings"], "tags": ["B-PER", "O"]},
        ),
        ([{"text": "once"}], "a.jsonl", "text", {"text": "once"}),
        (b"once\nupon\n\na time\n", "a.txt", "text", {"text": "once\nupon"}),
        (b"once\r\nupon\r\n", "a.txt", "text", {"text": "once"}),
        (b'[{"text": "once"}, {"text": "more"}]', "a.json", "text", {"text": "once"}),
    ],
)  # fmt: skip
def test_a_format_is_told_and_its_rows_are_made_canonical(
    check: Check, content: Any, name: str, format_: str, row: dict[str, Any] | None
):
    done = check(content, name)
    assert done.report["format"] == format_
    assert done.report["reason"].endswith(".")
    first = done.rows()[0]
    assert first["line"] == (2 if name.endswith(".csv") else 1)
    if row is not None:
        assert {name: value for name, value in first.items() if name != "line"} == row


def test_a_file_of_no_format_is_told_with_its_columns(check: Check):
    with pytest.raises(JobError, match="they have “a”, “b”") as caught:
        check([{"a": 1, "b": 2}])
    assert caught.value.code == "unknown_format"


# ---- bad rows --------------------------------------------------------------------------------------------------


def chat(*messages: Any) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": content} for role, content in messages]}


BAD: list[tuple[str, Any, Any, str, str]] = [
    ("chat", CHAT, {"messages": "Hi"}, "wrong_type", "messages"),
    ("chat", CHAT, {"messages": []}, "empty_field", "messages"),
    ("chat", CHAT, {"text": "Hi"}, "missing_field", "messages"),
    ("chat", CHAT, {"messages": ["Hi"]}, "wrong_type", "messages.0"),
    ("chat", CHAT, chat(("boss", "Hi"), ("assistant", "a")), "unknown_role", "messages.0.role"),
    ("chat", CHAT, chat(("user", "Hi"), ("user", "b")), "roles_not_alternating", "messages.1.role"),
    ("chat", CHAT, chat(("assistant", "Hi")), "roles_not_alternating", "messages.0.role"),
    ("chat", CHAT, chat(("user", "Hi")), "no_answer", "messages"),
    ("chat", CHAT, chat(("user", "Hi"), ("assistant", " ")), "empty_field", "messages.1.content"),
    ("chat", CHAT, chat(("user", "Hi"), ("assistant", 3)), "wrong_type", "messages.1.content"),
    ("chat", CHAT, {"messages": [{"content": "Hi"}]}, "missing_field", "messages.0.role"),
    ("prompt", {"prompt": "a", "completion": "b"}, {"prompt": "a"}, "missing_field", "completion"),
    ("prompt", {"prompt": "a", "completion": "b"}, {"prompt": 3, "completion": "b"}, "wrong_type", "prompt"),
    ("prompt", {"prompt": "a", "completion": "b"}, {"prompt": "a", "completion": ""}, "empty_field", "completion"),
    ("labelled", {"text": "a", "label": "b"}, {"text": "c"}, "missing_field", "label"),
    ("labelled", {"text": "a", "label": "b"}, {"text": "c", "label": ["x"]}, "wrong_type", "label"),
    ("labelled", {"text": "a", "label": "b"}, {"text": None, "label": "x"}, "missing_field", "text"),
    ("labelled", {"text": "a", "label": "b"}, {"text": "c", "label": " "}, "empty_field", "label"),
    ("preference", PAIR, {**PAIR, "rejected": "Hello! "}, "same_answers", "rejected"),
    ("preference", PAIR, {"chosen": "a", "rejected": "b"}, "missing_field", "prompt"),
    ("preference", PAIR, {**TALKS, "rejected": [{"role": "user", "content": "x"}]}, "no_answer", "rejected"),
    ("entities", {"tokens": ["a"], "tags": ["O"]}, {"tokens": ["a"], "tags": []}, "tags_not_tokens", "tags"),
    ("entities", {"tokens": ["a"], "tags": ["O"]}, {"tokens": ["a"], "tags": ["PER"]}, "bad_tag", "tags"),
    ("entities", {"tokens": ["a"], "tags": ["O"]}, {"tokens": ["a"], "tags": ["I-X"]}, "tag_without_b", "tags"),
    ("entities", {"tokens": ["a"], "tags": ["O"]}, {"tokens": [1], "tags": ["O"]}, "wrong_type", "tokens"),
    ("entities", {"tokens": ["a"], "tags": ["O"]}, {"tokens": [], "tags": []}, "empty_field", "tokens"),
    ("entities", {"tokens": ["a"], "tags": ["O"]}, {"text": "ab", "spans": [[0, 1, "X"]]}, "bad_span", "spans.0"),
    ("text", {"text": "a"}, {"text": "\u200b\u0007"}, "empty_field", ""),
    ("text", {"text": "a"}, {"text": "b", "split": "holiday"}, "unknown_split", "split"),
    ("text", {"text": "a"}, b'{"text": "b"', "not_json", ""),
    ("text", {"text": "a"}, b"[1, 2]", "not_json", ""),
    ("text", {"text": "a"}, b'{"text": "\xff"}', "not_utf8", ""),
    ("text", {"text": "a"}, b'{"text": "' + b"x" * (5 << 20) + b'"}', "too_long_line", ""),
    ("text", {"text": "a"}, b"[" * 100_000, "not_json", ""),
    ("text", {"text": "a"}, {"text": "a"}, "duplicate", ""),
]


@pytest.mark.parametrize(("format_", "good", "bad", "rule", "column"), BAD)
def test_a_bad_row_is_named_and_left_out(check: Check, format_: str, good: Any, bad: Any, rule: str, column: str):
    # given a good row, a bad one, and a blank line between
    content = jsonl([good]) + b"\n" + (bad if isinstance(bad, bytes) else jsonl([bad]))

    # when it is checked
    done = check(content, format=format_)

    # then the bad one is named with its line, column, rule, and what to do, and only the good one stays
    errors = [each for each in done.problems if each["severity"] == "error"]
    assert [(each["place"], each["rule"], each["column"]) for each in errors] == [("3", rule, column)]
    assert errors[0]["fix"].endswith(".")
    assert errors[0]["message"].endswith(".")
    assert [row["line"] for row in done.rows()] == [1]
    assert done.report["problems"]["errors"] == 1


@pytest.mark.parametrize(
    ("content", "place", "rule"),
    [
        (b"text,label\na,b\nc,d,e\n", "3", "too_many_cells"),
        (b'text,label\na,b\n"c\n', "3", "not_csv"),
        (b"text,label\na,b\n\xff,d\n", "3", "not_utf8"),
        (b"text,label\na,b\n,d\n", "3", "empty_field"),
    ],
)
def test_a_bad_row_of_a_table_is_named(check: Check, content: bytes, place: str, rule: str):
    assert (place, rule) in check(content, "data.csv", format="labelled").told


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        (b"Paris", "tags_not_tokens"),
        (b"Paris I-LOC", "tag_without_b"),
        (b"Paris LOC", "bad_tag"),
        (b"\xff O", "not_utf8"),
    ],
)
def test_a_bad_line_of_a_sentence_is_named_by_its_own_number(check: Check, line: bytes, rule: str):
    content = b"-DOCSTART- O\n\nIn O\nMay O\n\nIn O\n" + line + b"\n. O\n"
    done = check(content, "data.conll")
    assert [told for told in done.told if told[1] != "few_rows"] == [("7", rule)]
    assert [row["tokens"] for row in done.rows()] == [["In", "May"]]


def test_ten_thousand_bad_rows_are_all_named(check: Check):
    rows = [{"text": f"row {number}"} if number % 2 else {"txt": number} for number in range(20_000)]
    done = check(rows, format="text")
    assert len(done.problems) == 10_000
    assert len(done.report["problems"]["first"]) == 1000
    assert done.report["problems"]["by_rule"][0]["count"] == 10_000
    assert len(done.rows()) == 10_000


def test_nothing_good_makes_no_dataset_and_its_faults_are_kept(context: Context):
    ctx = context()
    source = given(ctx, jsonl([{"text": ""}, {"text": 3}]))
    with pytest.raises(
        JobError, match=r"of 2 rows none is left to learn from\. Line 1, text: “text” is empty\. Line 2"
    ) as caught:
        run("check_dataset", ctx, name="data", source=source)
    assert (caught.value.code, caught.value.field) == ("dataset_invalid", "source")
    assert {saved.role for saved in ctx.saved} == {"output"}
    assert len(Checked(ctx).problems) == 2


def test_a_file_that_holds_all_its_rows_out_leaves_none_to_learn_from(check: Check):
    with pytest.raises(JobError, match="the file puts its 2 good rows into validation and test, and none into train"):
        check([{"text": "One", "split": "valid"}, {"text": "two", "split": "test"}])


def test_strict_takes_no_bad_row(check: Check):
    with pytest.raises(JobError, match="1 of 2 rows are bad"):
        check([{"text": "a"}, {"text": ""}], strict=True)


# ---- warnings and figures --------------------------------------------------------------------------------------


def test_labels_are_judged(check: Check):
    rows = [{"text": f"good {number}", "label": "positive"} for number in range(30)]
    rows += [{"text": "bad", "label": "negative"}, {"text": "Good 3!", "label": "neutral"}]
    done = check(rows)
    assert ("31", "rare_label") in done.told
    assert ("32", "label_conflict") in done.told
    assert ("32", "near_duplicate") in done.told
    assert ("", "imbalanced_labels") in done.told
    assert done.report["labels"][0] == {"label": "positive", "rows": 30, "train": 30, "validation": 0, "test": 0}
    assert len(done.rows()) == 32


def test_an_address_is_pointed_out(check: Check):
    done = check([{"text": "Write to anna@example.org."}, {"text": "Call +49 30 123 45 67."}, {"text": "In 1999."}])
    assert [told for told in done.told if told[1] == "personal_data"] == [
        ("1", "personal_data"),
        ("2", "personal_data"),
    ]


def test_what_is_cut_is_counted(check: Check):
    rows = [("a" * 400, "b"), ("a", "b" * 400), ("c", "d")]
    done = check([{"prompt": prompt, "completion": completion} for prompt, completion in rows], max_length=20)
    assert ("1", "answer_cut_off") in done.told
    assert ("2", "truncated") in done.told
    assert done.report["tokens"]["truncated"] == 1
    assert done.report["tokens"]["max"] == 101
    assert sum(bar["rows"] for bar in done.report["tokens"]["histogram"]) == 2


def test_a_models_own_tokenizer_counts_and_its_size_gives_estimates(check: Check):
    done = check([{"text": f"the house in the wood {number}"} for number in range(20)], model="tiny-llama")
    tokens, about = done.report["tokens"], done.report["estimates"]
    assert tokens["counted_by"].startswith("Counted by")
    assert tokens["total"] > 0
    assert about["steps_per_epoch"] == 3
    assert about["full"]["seconds_per_step"] >= 0
    assert about["full"]["memory"]["total"] > about["lora"]["memory"]["total"]


# ---- texts, splits, versions -----------------------------------------------------------------------------------


def test_texts_are_cleaned_and_brought_into_one_form(check: Check):
    done = check([{"text": "  Cafe\u0301\t \u200bau   lait\r\n\n\n\nENDE "}])
    assert done.rows()[0]["text"] == "Café au lait\n\nENDE"
    done = check([{"text": "  Cafe\u0301 "}], clean=False, normalise=False, lower=True)
    assert done.rows()[0]["text"] == "  cafe\u0301 "


def test_the_same_rows_options_and_seed_are_the_same_file(check: Check):
    rows = [{"text": f"row {number}", "label": "ab"[number % 2]} for number in range(50)]
    one, same = check(rows, validation=0.2, seed=3), check(rows, "other.jsonl", validation=0.2, seed=3)
    assert one.archive == same.archive
    assert check(rows, validation=0.2, seed=4).archive != one.archive
    assert check(rows[:-1], validation=0.2, seed=3).archive != one.archive


def test_splits_have_their_shares_of_every_label(check: Check):
    rows = [{"text": f"row {number}", "label": "a" if number < 80 else "b"} for number in range(100)]
    done = check(rows, validation=0.2, test=0.1)
    assert done.report["splits"] == {"train": 70, "validation": 20, "test": 10}
    assert {row["label"]: row["validation"] for row in done.report["labels"]} == {"a": 16, "b": 4}
    lines = [row["line"] for split in ("train", "validation", "test") for row in done.rows(split)]
    assert sorted(lines) == list(range(1, 101))


def test_what_is_nearly_the_same_is_never_drawn_into_two_splits(check: Check):
    rows = [{"text": text} for number in range(40) for text in (f"Row {number}", f"row {number} !")]
    done = check(rows, validation=0.3)
    train, held = ({row["text"].lower().strip(" !") for row in done.rows(split)} for split in ("train", "validation"))
    assert train
    assert held
    assert not train & held


def test_a_row_that_leaks_is_left_out_where_it_would_be_learned(check: Check):
    rows = [
        {"text": "One", "split": "train"}, {"text": "two", "split": "train"},
        {"text": "one!", "split": "valid"}, {"text": "three", "split": "test"},
    ]  # fmt: skip
    done = check(rows)
    assert ("1", "leakage") in done.told
    assert done.report["splits"] == {"train": 1, "validation": 1, "test": 1}
    assert done.report["leakage"] == 1
    kept = check(rows, drop_leaks=False)
    assert ("1", "leaked") in kept.told
    assert kept.report["splits"]["train"] == 2


def test_copies_are_made_of_what_is_learned_alone(check: Check):
    rows = [{"text": f"one two three four five {number}", "label": "a"} for number in range(10)]
    done, again = (check(rows, validation=0.2, copies=2) for _ in range(2))
    assert done.report["splits"] == {"train": 24, "validation": 2, "test": 0}
    made = [row for row in done.rows() if row.get("made")]
    assert len(made) == 16
    assert all(row["text"] not in {each["text"] for each in rows} for row in made)
    assert done.archive == again.archive


def test_the_places_of_rows_within_the_file_are_told(check: Check):
    done = check([{"text": "eins"}, {"text": "zwei"}])
    start, size = done.meta["report"]["places"]["train"]
    assert done.archive[start : start + size].startswith(b'{"line":1,"text":"eins"}\n')


def test_a_check_can_be_cancelled(context: Context):
    ctx = context(cancel_at=1000)
    source = given(ctx, jsonl([{"text": f"row {number}"} for number in range(5000)]))
    with pytest.raises(Cancelled):
        run("check_dataset", ctx, name="data", source=source)
    assert ctx.steps[-1][0] == 1000


@pytest.mark.parametrize("name", ["", "A", "a b", "../a", "a" * 65])
def test_a_name_is_refused(context: Context, name: str):
    with pytest.raises(Invalid):
        run("check_dataset", context(), name=name, source="art_" + "0" * 26)


def test_a_file_that_is_empty_is_told(check: Check, tmp_path: Path):
    with pytest.raises(JobError, match="no rows"):
        check(b"\n\n")
