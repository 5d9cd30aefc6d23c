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
        case "too_large" | "context_too_long":
            return Failure(
                _("This is more than the model or its device can take"),
                _("Ask for less: a smaller size, fewer or shorter pieces."),
            )
        case "dataset_invalid" | "empty_dataset" | "unknown_format":
            return Failure(
                _("No dataset was made of this file"),
                _("Mend the rows that are named, or choose the format yourself, and check the file again."),
            )
        case "nothing_to_learn":
            return Failure(
                _("There is nothing to learn from"), _("Check the dataset and the longest example, and train again.")
            )
        case "not_finite":
            return Failure(
                _("The training broke off"),
                _("Its last good weights are kept. Lower the learning rate, or look at the rows that are named."),
            )
        case "internal":
            return Failure(
                _("The job hit an unexpected error"),
                _("Run it again; if it fails the same way, change the settings or show the log to your operator."),
            )
        case code if code and code.startswith(("model_", "bad_archive", "wrong_task", "no_chat_template")):
            return Failure(_("The model cannot be used for this"), _("Choose another model, or repair this one."))
        case _:
            return Failure(_("The job could not be done"), _("Change the settings and try again."))
