"""How a batch stands, as pages tell it: a word, the share of each state, and what is left."""

from dataclasses import dataclass

from shared.batch import Batch, BatchState, Tally
from shared.job import JobState
from web.pages.batch_grid import titles
from web.pages.rows import kind_words
from web.pages.translation import _, plural
from web.pages.wording import duration, listed

_ORDER = (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED, JobState.RUNNING, JobState.QUEUED)


@dataclass(frozen=True)
class Share:
    """The jobs of one state: how many, in words, and their place on a bar that is 100 long."""

    state: JobState
    words: str
    start: float
    length: float


@dataclass(frozen=True)
class Standing:
    """A batch and how it stands."""

    batch: Batch
    tally: Tally
    kind_title: str
    icon: str

    @property
    def state(self) -> BatchState:
        """Of the whole."""
        return self.tally.state

    @property
    def live(self) -> bool:
        """Whether any job still waits or runs."""
        return self.state is BatchState.RUNNING

    @property
    def word(self) -> str:
        """The state as a reader calls it."""
        waits = self.live and not self.tally.counts[JobState.RUNNING] and not self._ended
        return {
            BatchState.RUNNING: _("Queued") if waits else _("Running"),
            BatchState.SUCCEEDED: _("Done"),
            BatchState.PARTIAL: _("Partly done"),
            BatchState.FAILED: _("Failed"),
            BatchState.CANCELLED: _("Cancelled"),
        }[self.state]

    @property
    def mark(self) -> str:
        """The class of its mark: a batch of which nothing has begun looks as a job does that waits."""
        waits = self.live and not self.tally.counts[JobState.RUNNING] and not self._ended
        return "queued" if waits else self.state.value

    @property
    def shares(self) -> list[Share]:
        """The states that there are, in the order of the bar."""
        found: list[Share] = []
        start = 0.0
        for state in _ORDER:
            count = self.tally.counts[state]
            if count:
                length = round(100 * count / self.batch.total, 3)
                found.append(Share(state, _counted(state, count), round(start, 3), length))
                start += length
        return found

    @property
    def counts(self) -> str:
        """How many are in each state, in words."""
        return " · ".join(share.words for share in self.shares)

    @property
    def done(self) -> str:
        """How many of how many."""
        return _(
            "%(n)s of %(total)s done",
            n=f"{self.tally.counts[JobState.SUCCEEDED]:,}",
            total=f"{self.batch.total:,}",
        )

    @property
    def rest(self) -> str:
        """What else there is to say: what went wrong, what waits, and how long it takes."""
        words = [share.words for share in self.shares if share.state is not JobState.SUCCEEDED]
        return " · ".join(each for each in (*words, self.time) if each)

    @property
    def time(self) -> str:
        """How long until the end, or how long it took."""
        if self.tally.left_s is not None:
            return _("about %(time)s left", time=duration(max(1, round(self.tally.left_s))))
        if self.live or self.tally.finished_at is None or self.state is BatchState.CANCELLED:
            return ""
        return _("took %(time)s", time=duration((self.tally.finished_at - self.batch.created_at).total_seconds()))

    @property
    def _ended(self) -> int:
        live = self.tally.counts[JobState.QUEUED] + self.tally.counts[JobState.RUNNING]
        return self.batch.total - live


def standing(batch: Batch, tally: Tally) -> Standing:
    """A batch with the words of its kind."""
    return Standing(batch, tally, *kind_words(batch.kind))


def made_of(batch: Batch) -> str:
    """In a few words, what the jobs of a batch come from."""
    asked = batch.asked
    if asked.get("mode") == "file":
        return str(asked.get("file", ""))
    if asked.get("mode") in {"product", "zip"}:
        lengths, names = asked.get("fields", {}), titles(batch.kind)
        order = [name for name in asked.get("order", lengths) if name in lengths]
        size = " × ".join(f"{lengths[name]:,}" for name in order) if asked["mode"] == "product" else f"{batch.total:,}"
        return _("%(name)s: %(value)s", name=size, value=listed(_(names.get(name, name)) for name in order))
    return plural("a list of %(num)s", "a list of %(num)s", batch.total)


def _counted(state: JobState, count: int) -> str:
    n = f"{count:,}"
    return {
        JobState.SUCCEEDED: _("%(n)s done", n=n),
        JobState.FAILED: _("%(n)s failed", n=n),
        JobState.CANCELLED: _("%(n)s cancelled", n=n),
        JobState.RUNNING: _("%(n)s running", n=n),
        JobState.QUEUED: _("%(n)s queued", n=n),
    }[state]
