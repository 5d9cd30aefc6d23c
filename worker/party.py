"""The jobs that share the passes of one model on a device: who joins, what each has had of it, how each ends.

Implements `worker.context.Party`. Knows neither SQL nor Celery; its runner begins attempts and writes their ends.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from worker.attempt import Attempt
from worker.context import Member

LOOK_EVERY_S = 0.25
"""How often it is asked for more jobs at most, once there were none."""


class Party:
    """Begins with one job. Its kind takes turns: in each some jobs join, all make a step, and some are done."""

    def __init__(
        self,
        first: Member[Any],
        join: Callable[[int], Sequence[Member[Any]]],
        close: Callable[[Attempt, BaseException | None], None],
    ) -> None:
        """`join` begins at most so many jobs; `close` writes the end of one, with what was raised if anything was."""
        self._join, self._close = join, close
        self._waiting = [first]
        self._in: list[Member[Any]] = []
        self._look_at = 0.0
        self._charged_at = time.monotonic()

    def turn(self, room: int) -> list[Member[Any]]:
        """The jobs that join now, at most so many. Between two turns all have had an equal share of the device."""
        self._charge()
        new, self._waiting = self._waiting, []
        if len(new) < room and time.monotonic() >= self._look_at:
            found = self._join(room - len(new))
            new += found
            self._look_at = 0.0 if found else time.monotonic() + LOOK_EVERY_S
        self._in += new
        self._charged_at = time.monotonic()
        return new

    @contextmanager
    def minding(self, member: Member[Any]) -> Iterator[None]:
        """What is raised inside is the end of this job alone."""
        try:
            yield
        except (KeyboardInterrupt, SystemExit, GeneratorExit):
            raise
        except BaseException as error:  # noqa: BLE001 - the runner tells apart what ends a job
            self._leave(member, error)

    def done(self, member: Member[Any]) -> None:
        """This job has saved all that it makes."""
        self._leave(member, None)

    def has(self, member: Member[Any]) -> bool:
        """Whether this job has not ended yet."""
        return member in self._in

    def left(self) -> list[Attempt]:
        """The attempts that have not ended, which nobody minds any more: each is to be run by itself."""
        self._charge()
        left, self._in, self._waiting = [*self._in, *self._waiting], [], []
        return [member.ctx for member in left]

    def _leave(self, member: Member[Any], error: BaseException | None) -> None:
        self._charge()
        self._in.remove(member)
        self._close(member.ctx, error)

    def _charge(self) -> None:
        now = time.monotonic()
        for member in self._in:
            member.ctx.shared_s = (member.ctx.shared_s or 0.0) + (now - self._charged_at) / len(self._in)
        self._charged_at = now
