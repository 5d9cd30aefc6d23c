"""What the owner of a job reads where the job itself did not say it."""

from shared import kinds
from shared.job import Job

ASIDE = {
    "leave": "the worker shut down",
    "yield": "it made room for a job that somebody waits for",
    "pause": "it was paused",
}
"""Why a training stepped aside."""


def unexpected_sentence(error: BaseException) -> str:
    """That there was a fault which nobody foresaw."""
    return f"The job hit an unexpected error ({type(error).__name__}). Its log has the details."


def out_of_memory_sentence(job: Job) -> str:
    """What the owner reads: that it does not fit, and what is next to try."""
    params, fields = kinds.validate(job.kind, job.params), kinds.schema(job.kind)["properties"]
    less = ", ".join(f"{fields[name]['title']} {value}" for name, value in params.smaller().items())
    wish = f"What may fit: {less}." if less else "Ask for less at a time, or choose a smaller model."
    return f"The device has too little memory for this, even with as little in it as possible. {wish}"
