"""Offensive words, masked."""

from pathlib import Path

import pytest

from worker.finishing.words import WordFilter


@pytest.fixture(scope="module")
def words() -> WordFilter:
    return WordFilter.from_folder()


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("What the FUCK is this?", "What the F••• is this?"),
        ("fuck\nFuck", "f•••\nF•••"),
        ("So ein Arschloch!", "So ein A••••••••!"),
        ("hijo  de\nputa", "h••••••••••••"),
        ("你他妈的在干什么", "你他••在干什么"),
    ],
)
def test_an_offensive_word_is_masked_in_any_case_and_language(words: WordFilter, text: str, masked: str):
    found, count = words.mask(text)
    assert found == masked
    assert count >= 1


@pytest.mark.parametrize(
    "text",
    [
        "The class assessed Scunthorpe, Essex and a cocktail at the Sussex Pussycat Museum.",
        "She is expecting; sexual health matters. Breast cancer screening, a nude by Renoir.",
        "El concierto con mi tía; puta no está aquí".replace("puta ", ""),
        "Il est con-vaincu; la folle journée. Eine dicke Katze, der Schwanz des Hundes.",
        "他奶奶今年八十岁。性格很好。",
        "",
    ],
)
def test_an_ordinary_text_is_left_alone(words: WordFilter, text: str):
    assert words.mask(text) == (text, 0)


def test_an_administrators_words_take_the_place_of_ours(tmp_path: Path):
    (tmp_path / "en.txt").write_text("# ours\n  Brand X \n\nfoo.bar\n")
    words = WordFilter.from_folder(tmp_path)
    assert words.mask("brand   x, fooXbar, FOO.BAR, fuck") == ("b••••••••, fooXbar, F••••••, fuck", 2)


def test_no_words_mask_nothing(tmp_path: Path):
    assert WordFilter.from_folder(tmp_path).mask("fuck") == ("fuck", 0)
