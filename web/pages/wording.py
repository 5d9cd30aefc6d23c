"""How pages write times, amounts and states. Every word goes through gettext."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from shared.job import Event, Job, JobState
from web.pages.sentences import said
from web.pages.translation import _, plural

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def word(text: str) -> str:
    """Words that a kind or its schema brings along, in the reader's language."""
    return _(text) if text else ""


def listed(parts: Iterable[str]) -> str:
    """A few words in a row."""
    return _(", ").join(parts)


def state_word(state: JobState) -> str:
    """The state as a reader calls it."""
    return {
        JobState.QUEUED: _("Queued"),
        JobState.RUNNING: _("Running"),
        JobState.SUCCEEDED: _("Done"),
        JobState.FAILED: _("Failed"),
        JobState.CANCELLED: _("Cancelled"),
    }[state]


def job_word(job: Job) -> str:
    """The state of a job as a reader calls it: one that is held back is paused, one that awaits its trials searches."""
    if job.held:
        return _("Paused")
    # Of a job in the queue only one that awaits its trials says how far it is.
    return _("Searching") if job.state is JobState.QUEUED and job.progress.note else state_word(job.state)


def ago(moment: datetime) -> str:
    """How long ago something was."""
    seconds = (datetime.now(UTC) - moment).total_seconds()
    if seconds < 45:
        return _("just now")
    if seconds < 90 * _MINUTE:
        return _("%(n)s min ago", n=max(1, round(seconds / _MINUTE)))
    if seconds < 36 * _HOUR:
        return _("%(n)s h ago", n=round(seconds / _HOUR))
    days = round(seconds / _DAY)
    return plural("%(num)s day ago", "%(num)s days ago", days)


def exact(moment: datetime) -> str:
    """A moment to the second, with its zone."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def clock(moment: datetime) -> str:
    """The time of day of a line in a log."""
    return moment.astimezone(UTC).strftime("%H:%M:%S.%f")[:-3]


def duration(seconds: float) -> str:
    """A length of time, as exact as is of use."""
    if seconds < 10:
        return _("%(n)s s", n=f"{seconds:.1f}")
    if seconds < 90:
        return _("%(n)s s", n=round(seconds))
    if seconds < 90 * _MINUTE:
        return _("%(n)s min", n=round(seconds / _MINUTE))
    return _("%(n)s h", n=f"{seconds / _HOUR:.1f}")


def size(count: int) -> str:
    """A number of bytes."""
    amount, unit = float(count), "B"
    for larger in ("kB", "MB", "GB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:.0f} {unit}" if unit == "B" or amount >= 100 else f"{amount:.1f} {unit}"


def figure(value: float) -> str:
    """A measured number: whole ones whole, others to three digits."""
    return f"{round(value):,}" if float(value).is_integer() or abs(value) >= 1000 else f"{value:.3g}"


def label(name: str) -> str:
    """The name of a metric or a setting, as words."""
    return word(english_label(name))


def english_label(name: str) -> str:
    """The same in English."""
    text = name.replace("_per_second", "/s").replace("_", " ")
    return text[:1].upper() + text[1:]


def event_sentence(event: Event) -> str:
    """One line of a job's log."""
    data = event.data
    sentences: dict[str, Callable[[], str]] = {
        "submitted": lambda: _("submitted"),
        "claimed": lambda: _("picked up by %(device)s, attempt %(n)s", device=data.get("device"), n=event.attempt),
        "retried": lambda: _("%(why)s Tried again in %(n)s s.", why=_said(data.get("message")), n=data.get("delay_s")),
        "released": lambda: _("put back: %(why)s", why=_said(data.get("reason"))),
        "stalled": lambda: _("put back: %(why)s", why=_said(data.get("reason"))),
        "cancel_requested": lambda: _("asked to stop"),
        "paused": lambda: _("paused"),
        "pause_requested": lambda: _("asked to pause"),
        "resumed": lambda: _("resumed"),
        "keep_requested": lambda: _("asked to stop and keep what it has learned"),
        "awaits_trials": lambda: (
            _("began the trials %(numbers)s", numbers=listed(str(each) for each in data["trials"]))
            if data.get("trials")
            else _("awaits its trials")
        ),
        "ready": lambda: _("what it waited for is done"),
        "cancelled": lambda: (
            _("cancelled: %(why)s", why=_said(data["message"])) if data.get("message") else _("cancelled")
        ),
        "succeeded": lambda: _("done"),
        "failed": lambda: _("failed: %(why)s", why=_said(data.get("message") or data.get("code"))),
    }
    sentence = sentences.get(event.type)
    return sentence() if sentence else event.type


def _said(text: object) -> str:
    return said(str(text)) if text else ""
