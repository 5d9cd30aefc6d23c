"""A party without a worker: jobs of a kind that join when a test says so, and what became of each."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from shared import kinds
from tests.kinds.context import FakeContext
from worker.context import Member
from worker.kinds import run_many_function


class FakeParty:
    """Implements `worker.context.Party`."""

    def __init__(self, joins: dict[int, list[Member[Any]]]) -> None:
        """`joins` has who joins at which turn; 0 is the first."""
        self.joins, self.turns = joins, 0
        self.ended: dict[Member[Any], BaseException | None] = {}
        self._in: list[Member[Any]] = []

    def turn(self, room: int) -> list[Member[Any]]:
        """Whoever's turn it is, if there is room: else at a later one."""
        due = [member for turn in sorted(self.joins) if turn <= self.turns for member in self.joins[turn]]
        new = [member for member in due if member not in self._in and member not in self.ended][:room]
        self._in += new
        self.turns += 1
        return new

    @contextmanager
    def minding(self, member: Member[Any]) -> Iterator[None]:
        """What is raised ends this one."""
        try:
            yield
        except BaseException as error:
            self._leave(member, error)

    def done(self, member: Member[Any]) -> None:
        """It ended well."""
        self._leave(member, None)

    def has(self, member: Member[Any]) -> bool:
        """Whether it has not ended."""
        return member in self._in

    def _leave(self, member: Member[Any], error: BaseException | None) -> None:
        self._in.remove(member)
        self.ended[member] = error


def member(kind: str, ctx: FakeContext, **params: Any) -> Member[Any]:
    """A job that asks for this."""
    return Member(kinds.validate(kind, params), ctx)


def together(kind: str, joins: dict[int, list[Member[Any]]]) -> FakeParty:
    """What became of jobs that share their passes."""
    party = FakeParty(joins)
    run_many = run_many_function(kind)
    assert run_many is not None
    run_many(party)
    return party
