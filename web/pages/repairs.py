"""What repairs a failed job: the one button that its page offers first, by the error's code."""

from dataclasses import dataclass
from typing import Any

from flask import url_for

from shared import kinds, library
from shared.errors import AtelierError
from shared.job import MAX_TIME_LIMIT_S, Job
from web import forms
from web.pages.translation import _
from web.pages.wording import duration
from web.site import site

LONGER = 2
"""How many times as long a job may run that reached its time limit."""

_TOO_MUCH = {"out_of_memory", "too_large", "context_too_long"}
_MODEL = ("model_", "bad_archive", "wrong_task", "unknown_model", "no_chat_template")
_SETTINGS = {"poison", "bad_messages", "empty_prompt", "nothing_to_say", "no_code", "unsupported_setting", "invalid"}


@dataclass(frozen=True)
class Repair:
    """A button: a link to Create with other settings, or, without an address, the same job submitted again."""

    words: str
    address: str | None = None
    longer: bool = False

    @property
    def as_it_was(self) -> bool:
        """Whether it is the plain second try."""
        return self.address is None and not self.longer


def repair(job: Job) -> Repair:
    """For a job that failed."""
    code = job.error_code or ""
    if job.kind not in kinds.names():
        return Repair(_("Try again"))
    if code in _TOO_MUCH:
        return _smaller(job)
    if code == "time_limit":
        return _longer(job)
    if code.startswith(_MODEL):
        return _other_model(job)
    own = _own_value(job, code)
    if own is not None:
        return own
    return _change(job) if code in _SETTINGS else Repair(_("Try again"))


def _change(job: Job) -> Repair:
    return Repair(_("Change the settings"), _filled(job, {}))


def _smaller(job: Job) -> Repair:
    try:
        less = kinds.validate(job.kind, job.params).smaller()
    except AtelierError:
        less = {}
    if not less:
        return _change(job)
    sides = [less.get(side, job.params.get(side)) for side in ("width", "height")]
    if all(sides) and {"width", "height"} & set(less):
        words = _("Try at %(width)s × %(height)s", width=sides[0], height=sides[1])
    else:
        words = _("Try smaller settings")
    return Repair(words, _filled(job, less))


def _longer(job: Job) -> Repair:
    limit_s = min(job.time_limit_s * LONGER, MAX_TIME_LIMIT_S)
    if limit_s <= job.time_limit_s:
        return _change(job)
    return Repair(_("Run again with a limit of %(time)s", time=duration(limit_s)), longer=True)


def _other_model(job: Job) -> Repair:
    """Another model of the same task: the kind's own if it is not the one that failed."""
    properties = kinds.schema(job.kind)["properties"]
    asked = {
        field: str(job.params.get(field, properties[field].get("default")))
        for field in kinds.params_class(job.kind).model_tasks()
        if job.params.get(field, properties[field].get("default")) is not None
    }
    # Of several models it is the one that the sentence names.
    named = [field for field, name in asked.items() if name in (job.error_message or "")]
    for field in named or asked:
        task, failed = kinds.params_class(job.kind).model_tasks()[field], asked[field]
        default = properties[field].get("default")
        names = [each.name for each in library.list_models(site().db, job.owner_id, task) if each.name != failed]
        if names:
            other = default if default in names else names[0]
            return Repair(_("Choose another model"), f"{_filled(job, {field: other})}#f-{field}")
    return Repair(_("Add another model"), url_for("all_models.show"))


def _own_value(job: Job, code: str) -> Repair | None:
    """What the model cannot do as it was asked for, left to the model."""
    match code:
        case "unknown_voice" | "voice_missing":
            return Repair(_("Use the model\u2019s own voice"), _filled(job, {"voice": ""}))
        case "unsupported_scheduler":
            return Repair(_("Use the model\u2019s own scheduler"), _filled(job, {"scheduler": "default"}))
        case "unsupported_speed":
            return Repair(_("Use the model\u2019s own pace"), _filled(job, {"speed": 1}))
        case _:
            return None


def _filled(job: Job, changed: dict[str, Any]) -> str:
    """Create with the settings of the job, its seed too, but for those that are changed."""
    seed = {"seed": job.params["seed"]} if "seed" in job.params else {}
    typed = forms.from_params(job.kind, {**seed, **changed})
    texts: dict[str, Any] = {name: text for name, text in typed.items() if isinstance(text, str)}
    return url_for("create.show", **{"from": job.id, **texts})
