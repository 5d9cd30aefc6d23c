"""The texts of one job, or of many jobs at once, as a kind asks for them one after the other.

A kind's work is a generator that yields what is to be written and gets it back: `rows = yield Writing(...)`. So it is
told once, top to bottom, and written alone or beside others. Knows no kind.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import psutil
import torch

from worker.context import JobContext, Member, Party
from worker.engines.continuous import Chorus, Line, joinable, place_bytes
from worker.engines.decoding import OnStep, row_of, write
from worker.engines.language import LanguageModel
from worker.engines.memory import free_bytes
from worker.engines.rows import Row
from worker.engines.sampling import Sampling, dice_of

P = TypeVar("P")

MOST_LINES = 64
"""Texts side by side at most; more than that makes a CPU no faster."""

SLOWEST_S = 0.5
"""Nobody joins while a token takes longer than this, since all that are written wait for it."""

_MEMORY_SHARE = 0.5
"""Of what is free; the rest is for models that are loaded beside."""


@dataclass(frozen=True)
class Writing:
    """A prompt, [1, length], that is to be gone on with once for each seed."""

    lm: LanguageModel
    prompt: torch.Tensor
    sampling: Sampling
    seeds: Sequence[int]
    on_step: OnStep


Work = Generator[Writing, list[Row], None]
"""What a kind does: it asks for texts until it is done."""


def alone(work: Work) -> None:
    """Do the work of one job."""
    for asked in _asked(work):
        asked.rows = write(
            asked.writing.lm,
            asked.writing.prompt,
            asked.writing.sampling,
            seeds=asked.writing.seeds,
            on_step=asked.writing.on_step,
        )


def together(party: Party[P], work: Callable[[P, JobContext], Work]) -> None:
    """Do the work of all jobs of a party, their texts side by side where the model allows it."""
    _Choir(party, work).sing()


@dataclass
class _Asked:
    writing: Writing
    rows: list[Row] = field(default_factory=list)


def _asked(work: Work) -> Generator[_Asked, None, None]:
    """What a work asks for, one after the other; whoever takes it leaves the rows in it."""
    try:
        asked = _Asked(next(work))
        while True:
            yield asked
            asked = _Asked(work.send(asked.rows))
    except StopIteration:
        return


@dataclass(eq=False)
class _Singer:
    member: Member[Any]
    wishes: Generator[_Asked, None, None]
    asked: _Asked | None = None
    lines: list[Line] = field(default_factory=list)
    step: int = 0


class _Choir:
    def __init__(self, party: Party[P], work: Callable[[P, JobContext], Work]) -> None:
        self.party, self.work = party, work
        self.singers: list[_Singer] = []
        #: Those whose texts are to join.
        self.held: list[_Singer] = []
        self.chorus: Chorus | None = None
        #: Of the adapters on the model, the one that all here speak with.
        self.voice = ""
        self.budget = 0.0
        self.step_s = 0.0

    def sing(self) -> None:
        while True:
            for member in self.party.turn(self._room()):
                self._begin(member)
            self._join_held()
            if not self.singers:
                return
            self._step()

    def _begin(self, member: Member[Any]) -> None:
        singer = _Singer(member, _asked(self.work(member.params, member.ctx)))
        self.singers.append(singer)
        self._go_on(singer)

    def _go_on(self, singer: _Singer) -> None:
        """Take what a job asks for next, to join; a job that asks for nothing more is done."""
        singer.lines = []
        with self.party.minding(singer.member):
            while not singer.lines and (asked := next(singer.wishes, None)) is not None:
                singer.asked, singer.step = asked, 0
                singer.lines = self._lines(asked)
            if not singer.lines:
                self.party.done(singer.member)
        if not self._gone(singer):
            self.held.append(singer)

    def _lines(self, asked: _Asked) -> list[Line]:
        """The lines of a writing; none where it was written at once, since its model shares no passes."""
        told, adapters = asked.writing, asked.writing.lm.adapters
        if self.chorus is None and joinable(told.lm):
            self.chorus, self.voice = Chorus(told.lm), adapters.heard or ""
            self.budget = _MEMORY_SHARE * _free(str(told.lm.model.device))
        if self.chorus is None or self.chorus.lm.model is not told.lm.model or adapters.heard != self.voice:
            try:
                asked.rows = write(told.lm, told.prompt, told.sampling, seeds=told.seeds, on_step=told.on_step)
            finally:
                if self.chorus is not None:
                    self.chorus.lm.adapters.hear(self.voice)
            return []
        asked.rows = [row_of(told.lm, told.prompt, told.sampling) for _ in told.seeds]
        start = told.prompt[0]
        return [
            Line(row, start, told.sampling, dice) for row, dice in zip(asked.rows, dice_of(told.seeds), strict=True)
        ]

    def _join_held(self) -> None:
        """Let those join for whom there is memory, all at once."""
        if self.chorus is None or not self.held:
            return
        lines, joining = [*self.chorus.lines], []
        for singer in self.held:
            if not lines or self._fits([*lines, *singer.lines]):
                lines += singer.lines
                joining.append(singer)
        self.held = [singer for singer in self.held if singer not in joining]
        self.chorus.join([line for singer in joining for line in singer.lines])
        for singer in joining:
            self._tell(singer)

    def _fits(self, lines: Sequence[Line]) -> bool:
        """Whether there is memory for these side by side, each as long as the longest, and for copying it."""
        places = len(lines) * max(line.longest for line in lines)
        return self.chorus is not None and 2 * places * place_bytes(self.chorus.lm) <= self.budget

    def _step(self) -> None:
        if self.chorus is None or not self.chorus.lines:
            return
        began, size = time.perf_counter(), len(self.chorus.lines)
        self.chorus.step()
        self.step_s += 0.3 * (time.perf_counter() - began - self.step_s)
        for singer in [each for each in self.singers if each not in self.held]:
            if size > 1:
                singer.member.ctx.metric("batch_size", max(size, singer.member.ctx.metrics.get("batch_size", 0)))
            self._tell(singer)

    def _tell(self, singer: _Singer) -> None:
        """Say how far a job is, and let it go on once its texts are written."""
        with self.party.minding(singer.member):
            singer.step += 1
            if singer.asked is not None:
                singer.asked.writing.on_step(singer.step, singer.asked.rows)
        if not self._gone(singer) and all(line.done for line in singer.lines):
            self._go_on(singer)

    def _gone(self, singer: _Singer) -> bool:
        """Whether the job has ended; then its texts are let go of."""
        if self.party.has(singer.member):
            return False
        self.singers = [each for each in self.singers if each is not singer]
        if self.chorus is not None and singer.lines:
            self.chorus.drop(singer.lines)
        return True

    def _room(self) -> int:
        """How many jobs may join."""
        if self.chorus is None:
            return 0 if self.singers else 1
        if self.step_s > SLOWEST_S or self.held:
            return 0
        return max(0, MOST_LINES - len(self.chorus.lines))


def _free(device: str) -> int:
    return free_bytes(device) if device.startswith("cuda") else int(psutil.virtual_memory().available)
