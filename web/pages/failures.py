"""What the page of a failed job advises, by the error's code. The sentence about what happened is the job's own."""

from dataclasses import dataclass

from shared.job import Job
from web.pages.translation import _


@dataclass(frozen=True)
class Failure:
    """A heading, and what to do next."""

    title: str
    advice: str


def failure(job: Job) -> Failure:
    """For a job that failed."""
    match job.error_code:
        case "out_of_memory":
            return Failure(
                _("The device ran out of memory"),
                _("Ask for less at once: a smaller picture, fewer results, a shorter answer, or a smaller model."),
            )
        case "time_limit":
            return Failure(_("The time limit was reached"), _("Ask for less, or submit it with a longer time limit."))
        case "poison":
            return Failure(
                _("The job ended its workers"),
                _("Something in these settings makes a worker crash. Change them before running it again."),
            )
        case "device_error" | "storage_unavailable" | "storage_damaged" | "hub_unreachable":
            return Failure(_("A part of the system failed"), _("The settings are fine; run it again in a moment."))
        case "internal":
            return Failure(
                _("The job hit an unexpected error"),
                _("Run it again; if it fails the same way, change the settings or show the log to your operator."),
            )
        case code if code and code.startswith(("model_", "bad_archive", "wrong_task", "no_chat_template")):
            return Failure(_("The model cannot be used for this"), _("Choose another model, or repair this one."))
        case _:
            return Failure(_("The job could not be done"), _("Change the settings and try again."))
