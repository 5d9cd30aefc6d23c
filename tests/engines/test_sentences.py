import pytest

from worker.engines.sentences import LONGEST, split


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("Dr. Smith met J. K. Rowling. They spoke.", ["Dr. Smith met J. K. Rowling.", "They spoke."]),
        ("It costs $19.99 today. Yes.", ["It costs $19.99 today.", "Yes."]),
        ("“Stop!” she said. He did.", ["“Stop!”", "she said.", "He did."]),
        ("a line\nanother line", ["a line", "another line"]),
        ("你好。再见。", ["你好。", "再见。"]),
        ("  \n ", []),
    ],
)
def test_sentences(text: str, pieces: list[str]):
    assert [piece.text for piece in split(text)] == pieces


def test_paragraphs_end_where_lines_end():
    assert [piece.ends_paragraph for piece in split("One. Two.\nThree.")] == [False, True, True]


@pytest.mark.parametrize("text", ["word " * 500, "clause, " * 200, "x" * 5000])
def test_no_piece_is_longer_than_a_breath_and_nothing_is_lost(text: str):
    pieces = [piece.text for piece in split(text)]
    assert max(map(len, pieces)) <= LONGEST + 1
    assert "".join("".join(pieces).split()) == "".join(text.split())
