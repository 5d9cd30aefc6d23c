"""Models stay in memory under a budget, and the least recently used goes first."""

import pytest

from worker.residency import Residency, is_out_of_memory


class Memory:
    """A device whose use is what was loaded onto it."""

    def __init__(self) -> None:
        self.used = 0
        self.loads: list[str] = []

    def load(self, name: str, size: int) -> str:
        self.used += size
        self.loads.append(name)
        return name


def test_a_model_is_loaded_once() -> None:
    memory = Memory()
    models = Residency(100, lambda: memory.used)
    for _ in range(3):
        assert models.get("a@1", lambda: memory.load("a", 10)) == "a"
    assert memory.loads == ["a"]
    assert models.models() == ["a"]
    assert models.resident()[0].bytes == 10


def test_the_least_recently_used_makes_room() -> None:
    memory = Memory()
    models = Residency(100, lambda: memory.used)
    for name in ("a", "b"):
        models.get(f"{name}@1", lambda name=name: memory.load(name, 40), 40)
    models.get("a@1", lambda: memory.load("a", 40), 40)
    models.get("c@1", lambda: memory.load("c", 40), 40)
    assert models.models() == ["a", "c"]


def test_a_model_larger_than_the_budget_is_held_alone() -> None:
    models = Residency(10, lambda: 0)
    models.get("small@1", lambda: "small", 5)
    models.get("large@1", lambda: "large", 500)
    assert models.models() == ["large"]


def test_out_of_memory_evicts_everything_and_tries_once_more() -> None:
    models = Residency(100, lambda: 0)
    models.get("old@1", lambda: "old", 1)
    tries: list[int] = []

    def load() -> str:
        tries.append(1)
        if len(tries) == 1:
            raise MemoryError
        return "new"

    assert models.get("new@1", load) == "new"
    assert models.models() == ["new"]


def test_what_fails_to_load_is_not_held() -> None:
    models = Residency(100, lambda: 0)
    with pytest.raises(ValueError, match="broken"):
        models.get("bad@1", _broken)
    assert models.models() == []


def _broken() -> str:
    raise ValueError("broken")


def test_torchs_own_out_of_memory_is_known_by_name() -> None:
    class OutOfMemoryError(RuntimeError):
        pass

    assert is_out_of_memory(OutOfMemoryError())
    assert not is_out_of_memory(RuntimeError())
