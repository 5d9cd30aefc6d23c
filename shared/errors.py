"""Every error that Atelier raises on purpose, as a sentence for the person who reads it.

    AtelierError                 code, HTTP status, field; str(error) is the sentence
    ├── Unreadable       400     the request is not even well formed
    ├── Invalid          422     the request is understood but wrong (field, errors)
    ├── Unauthorized     401     no key, or a wrong one
    ├── Forbidden        403     the key may not do this
    ├── NotFound         404     no such thing, or not yours
    ├── Conflict         409     the thing is in another state than you think
    ├── TooLarge         413     the body or file is over the limit
    ├── WrongMedia       415     the body is of a type that this address does not take
    ├── Waitable                 waiting helps: retry_after, in seconds
    │   ├── TooMany      429     a rate or a cap is reached
    │   └── Unavailable  503     a part of the system is away for now
    ├── JobError                 a job failed for a reason its owner can understand; never retried
    └── RetryableError           a job failed for a reason that may pass; retried with backoff

    BaseException                so that no `except Exception` in a kind or a library can swallow them
    ├── Cancelled                the owner cancelled the job
    ├── TimeLimit                the job ran longer than its time limit
    ├── StoodAside               the job saved where it is and makes room; a later attempt goes on from there
    └── Superseded               another attempt owns the job now; what this one writes no longer counts

A class's docstring is its sentence where none is given.
"""

from typing import ClassVar, NotRequired, TypedDict


class FieldError(TypedDict):
    """One wrong field of a request: the name as it was sent, and a sentence; in a file, the line as well, from 1."""

    field: str
    message: str
    line: NotRequired[int]


class AtelierError(Exception):
    """Something went wrong."""

    code: str = "error"
    status: ClassVar[int] = 500

    def __init__(self, message: str | None = None, *, code: str | None = None, field: str | None = None) -> None:
        super().__init__(message or type(self).__doc__ or "")
        self.code = code or type(self).code
        self.field = field


class Unreadable(AtelierError):
    """The request cannot be read."""

    code = "invalid_json"
    status = 400


class Invalid(AtelierError):
    """The request has a value that cannot be used."""

    code = "invalid"
    status = 422

    def __init__(
        self,
        message: str | None = None,
        *,
        code: str | None = None,
        field: str | None = None,
        errors: list[FieldError] | None = None,
    ) -> None:
        super().__init__(message, code=code, field=field)
        self.errors: list[FieldError] = errors or [{"field": field or "", "message": str(self)}]


class Unauthorized(AtelierError):
    """This needs a valid key."""

    code = "unauthorized"
    status = 401


class Forbidden(AtelierError):
    """This key is not allowed to do that."""

    code = "forbidden"
    status = 403


class NotFound(AtelierError):
    """There is no such thing here."""

    code = "not_found"
    status = 404


class Conflict(AtelierError):
    """That does not fit the present state."""

    code = "conflict"
    status = 409


class TooLarge(AtelierError):
    """That is larger than this server accepts."""

    code = "too_large"
    status = 413


class WrongMedia(AtelierError):
    """This address does not take a body of that type."""

    code = "unsupported_media_type"
    status = 415


class Waitable(AtelierError):
    """Please try again later."""

    def __init__(
        self,
        message: str | None = None,
        *,
        code: str | None = None,
        field: str | None = None,
        retry_after: float = 1.0,
    ) -> None:
        super().__init__(message, code=code, field=field)
        self.retry_after = retry_after


class TooMany(Waitable):
    """Too many requests at once; wait a moment."""

    code = "too_many"
    status = 429


class Unavailable(Waitable):
    """A part of the system is away for the moment; try again shortly."""

    code = "unavailable"
    status = 503


class JobError(AtelierError):
    """The job cannot succeed as it was asked for."""

    code = "job_error"
    status = 422

    def __init__(self, code: str, message: str, *, field: str | None = None) -> None:
        super().__init__(message, code=code, field=field)


class Broken(JobError):
    """The job failed midway, and what it has made until then is worth keeping."""


class RetryableError(AtelierError):
    """The job failed for a reason that may pass."""

    code = "retryable"
    status = 503

    def __init__(self, code: str, message: str, *, field: str | None = None) -> None:
        super().__init__(message, code=code, field=field)


class Cancelled(BaseException):
    """The job was cancelled."""


class TimeLimit(BaseException):
    """The job ran longer than its time limit."""


class StoodAside(BaseException):
    """The job makes room; a later attempt goes on from its checkpoint."""


class AwaitsTrials(BaseException):
    """The search waits for its trials, in the queue; a later attempt goes on."""


class Pruned(BaseException):
    """The trial is given up: those before it did better by then."""


class Superseded(BaseException):
    """Another attempt owns this job now."""
