"""What is asked of Optuna: the same of the same, nothing twice, better than by chance; and who is given up."""

import math
import random

import pytest

from shared.search_lines import Choices, Range
from shared.search_space import Space
from worker.engines.searching import Known, ask, importances, outdone

SPACE: Space = {"rate": Range(1e-5, 1e-1, log=True), "width": Range(1, 64, whole=True), "cell": Choices(("a", "b"))}


def figure(values: dict) -> float:
    """A valley at a rate of 3e-3 and a width of 20, a little deeper for b."""
    rate, width = math.log10(values["rate"] / 3e-3), (values["width"] - 20) / 20
    return rate**2 + width**2 + (0.3 if values["cell"] == "a" else 0.0)


def searched(count: int, seed: int) -> list[Known]:
    known: list[Known] = []
    while len(known) < count:
        (values,) = ask(SPACE, known, 1, seed=seed, less_is_better=True)
        known.append(Known(values, "done", figure(values)))
    return known


def test_the_same_trials_ask_for_the_same_and_another_seed_for_others() -> None:
    known = searched(12, seed=1)
    for number in range(12):
        again = ask(SPACE, known[:number], 1, seed=1, less_is_better=True)
        assert again == [known[number].values]
    assert [each.values for each in searched(3, seed=2)] != [each.values for each in known[:3]]


def test_it_finds_better_than_chance() -> None:
    found = min(each.figure or 0.0 for each in searched(40, seed=3))
    dice = random.Random(3)
    drawn = [
        {"rate": 10 ** dice.uniform(-5, -1), "width": dice.randint(1, 64), "cell": dice.choice("ab")} for _ in range(40)
    ]
    assert found < min(figure(values) for values in drawn)


def test_what_is_open_failed_or_given_up_is_known_too() -> None:
    known = [
        *searched(8, seed=1),
        Known({"rate": 1e-3, "width": 3, "cell": "a"}, "failed"),
        Known({"rate": 1e-4, "width": 4, "cell": "b"}, "pruned", None, [3.0, 2.0]),
        Known({"rate": 1e-4, "width": 5, "cell": "b"}, "pruned"),
        Known({"rate": 2e-3, "width": 6, "cell": "b"}, "open", None, [3.0]),
    ]
    first, second = ask(SPACE, known, 2, seed=1, less_is_better=True)
    assert first != second
    assert [first, second] == ask(SPACE, known, 2, seed=1, less_is_better=True)


def test_nothing_is_tried_twice_and_a_small_space_ends() -> None:
    space: Space = {"rank": Choices((4, 8, None)), "deep": Range(1, 2, whole=True)}
    found = ask(space, [], 10, seed=5, less_is_better=False, start={"rank": 8, "deep": 2})
    assert found[0] == {"rank": 8, "deep": 2}
    assert len(found) == len({str(each) for each in found}) == 6


@pytest.mark.parametrize(
    ("mine", "others", "ends"),
    [
        ([9.0, 5.0], [[9, 1], [9, 2], [9, 3]], True),
        ([9.0, 1.5], [[9, 1], [9, 2], [9, 3]], False),
        ([9.0, 5.0], [[9, 1], [9, 2]], False),  # too few have gone all the way
        ([9.0], [[1, 1], [1, 2], [1, 3]], False),  # judged before the first step
        ([9.0, 1.0, 8.0], [[9, 4, 4], [9, 4, 4], [9, 4, 4]], False),  # its best is kept
        ([], [[9, 1], [9, 2], [9, 3]], False),
    ],
)
def test_a_trial_is_given_up_where_the_median_was_better(mine: list, others: list, ends: bool) -> None:
    assert outdone(mine, others, less_is_better=True) is ends
    flipped = [[-value for value in each] for each in others]
    assert outdone([-value for value in mine], flipped, less_is_better=False) is ends


def test_what_matters_is_told_once_enough_is_known() -> None:
    known = searched(25, seed=4)
    assert importances(SPACE, known[:3], less_is_better=True) == {}
    shares = importances(SPACE, known, less_is_better=True)
    assert set(shares) == set(SPACE)
    assert abs(sum(shares.values()) - 1) < 1e-3
    assert max(shares, key=lambda name: shares[name]) in {"rate", "width"}
    assert importances(SPACE, [Known({**each.values}, "done", 1.0) for each in known], less_is_better=True) == {}
