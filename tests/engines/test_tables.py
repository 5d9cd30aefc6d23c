"""Rows of uploaded tables: every form, and every way in which a line can be wrong."""

from pathlib import Path

import pytest

from shared.errors import JobError
from worker.engines import tables
from worker.engines.tables import TableRow, read_table


def _read(
    tmp_path: Path, content: bytes, name: str, *, column: str = "text", media_type: str = "text/plain"
) -> list[TableRow]:
    path = tmp_path / "artifact"  # a worker's own name for it: only `name` tells the form
    path.write_bytes(content)
    return read_table(path, name, media_type, column)


@pytest.mark.parametrize(
    ("name", "content", "texts", "lines"),
    [
        ("a.txt", b"one\ntwo\n\n  \n three ", ["one", "two", "three"], [1, 2, 5]),
        ("a.txt", b"\xef\xbb\xbfone\r\ntwo\r\n", ["one", "two"], [1, 2]),
        ("a.jsonl", b'\xef\xbb\xbf{"text": "one", "id": 7}\r\n\r\n"two"\n', ["one", "two"], [1, 3]),
        ("a.csv", b"\xef\xbb\xbfid,text\r\n1,one\r\n,\r\n2,\"two, or\r\nmore\"\r\n3,x\r\n",
         ["one", "two, or\r\nmore", "x"], [2, 4, 6]),
        ("a.csv", b"id;text\n1;zwei, drei\n", ["zwei, drei"], [2]),
        ("a.tsv", "text\tid\n東京\t1\n".encode(), ["東京"], [2]),
        ("upload", b"one\n", ["one"], [1]),
    ],
)  # fmt: skip
def test_each_form_is_read_with_its_lines_numbers(
    tmp_path: Path, name: str, content: bytes, texts: list[str], lines: list[int]
):
    rows = _read(tmp_path, content, name)
    assert [row.text for row in rows] == texts
    assert [row.line for row in rows] == lines


def test_the_other_columns_come_along(tmp_path: Path):
    assert _read(tmp_path, b'{"text": "a", "id": 7}', "a.jsonl")[0].others == {"id": 7}
    assert _read(tmp_path, b"id,text\n7,a\n", "a.csv")[0].others == {"id": "7"}


def test_without_a_telling_name_the_media_type_decides(tmp_path: Path):
    assert _read(tmp_path, b'{"text": "a"}', "upload", media_type="application/x-ndjson")[0].text == "a"
    assert _read(tmp_path, b"text\na\n", "upload", media_type="text/csv; charset=utf-8")[0].text == "a"


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.jsonl", b'{"text": "a"}\n{"body": "b"}\n{"text": 1}\n[]\nnope\n{"text": " "}\n',
         ("Line 2: has no column “text”. Line 3: column “text” must be text. Line 4: must be an object with named "
         "values, {…}, or a text. Line 5: this is not JSON at character 1. Line 6: column “text” is empty.")),
        ("a.csv", b"id,text\n1,a\n2\n3,\n4,b,c\n",
         "Line 3: has no column “text”. Line 4: column “text” is empty. Line 5: has 3 cells, and the header names 2"),
        ("a.csv", b"id,text\n1,\"a\n", "Line 2: this cannot be read as CSV"),
        ("a.csv", b"id,body\n1,a\n", "has no column “text”. Its first line names: “id”, “body”"),
        ("a.csv", b"text,id,text\n1,a,b\n", "names the column “text” twice"),
        ("a.txt", b"one\ncaf\xe9\n", "Line 2 of the table is not UTF-8 text"),
        ("a.txt", "one\n".encode("utf-16"), "UTF-16"),
        ("a.txt", b"one\n\x00\x01\n", "Line 2 of the table holds bytes that are no text"),
        ("a.txt", b"one\n" + b"x" * 100_001, "Line 2 of the table is longer than 100,000 characters"),
        ("a.txt", b" \n\n", "no rows"),
        ("a.csv", b"text\n", "no rows"),
        ("a.csv", b"", "no rows"),
        ("a.jsonl", b"[" * 100_000, "Line 1: this is not JSON"),
        ("a.jsonl", b"nope\n" * 12, "And 2 more."),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_one_sentence_with_its_line(tmp_path: Path, name: str, content: bytes, sentence: str):
    with pytest.raises(JobError) as caught:
        _read(tmp_path, content, name)
    assert sentence in str(caught.value)
    assert caught.value.code in {"bad_table", "empty_table"}


def test_there_is_a_limit_of_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tables, "MAX_ROWS", 3)
    assert len(_read(tmp_path, b"a\nb\nc\n", "a.txt")) == 3
    with pytest.raises(JobError, match="3 rows at most"):
        _read(tmp_path, b"a\nb\nc\nd\n", "a.txt")
