"""What is said after many jobs were cancelled or retried at once: how many were, how many were not, and why."""

import secrets

from shared.selection import Outcome
from web.pages.translation import _, plural


def token() -> str:
    """What makes one press of a button one action, however often it is sent."""
    return secrets.token_urlsafe(12)


def cancelled(found: Outcome) -> list[str]:
    """After cancelling."""
    stopping = sum(not job.done for job in found.done)
    ended = len(found.done) - stopping
    sentences = []
    if ended:
        sentences.append(plural("%(num)s job was cancelled.", "%(num)s jobs were cancelled.", ended))
    if stopping:
        sentences.append(
            plural("%(num)s running job was asked to stop.", "%(num)s running jobs were asked to stop.", stopping)
        )
    if found.refused["state"]:
        sentences.append(
            plural(
                "%(num)s was not: it had ended already.",
                "%(num)s were not: they had ended already.",
                found.refused["state"],
            )
        )
    return _whole([*sentences, *_rest(found)])


def retried(found: Outcome) -> list[str]:
    """After submitting them again."""
    sentences = []
    if found.done:
        sentences.append(
            plural("%(num)s job was submitted again.", "%(num)s jobs were submitted again.", len(found.done))
        )
    if found.refused["state"]:
        sentences.append(
            plural(
                "%(num)s was not: it has not ended yet.",
                "%(num)s were not: they have not ended yet.",
                found.refused["state"],
            )
        )
    return _whole([*sentences, *_rest(found)])


def _rest(found: Outcome) -> list[str]:
    """The reasons that both have in common."""
    sentences = []
    if found.refused["full"]:
        sentences.append(
            plural(
                "%(num)s was not: your queue is full.", "%(num)s were not: your queue is full.", found.refused["full"]
            )
        )
    if found.refused["invalid"]:
        sentences.append(
            plural(
                "%(num)s was not: its settings or its model do not work any more.",
                "%(num)s were not: their settings or models do not work any more.",
                found.refused["invalid"],
            )
        )
    if found.refused["gone"]:
        sentences.append(
            plural("%(num)s was not: it is not there.", "%(num)s were not: they are not there.", found.refused["gone"])
        )
    return sentences


def _whole(sentences: list[str]) -> list[str]:
    return sentences or [_("Nothing was changed.")]
