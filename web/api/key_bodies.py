"""What goes in and out of the API of keys."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field

from web.api.bodies import Answer, Strict


def _soon(moment: datetime) -> datetime:
    """A moment that is still to come, and that a calendar can hold."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    now = datetime.now(UTC)
    if not now < aware < now + timedelta(days=36_500):
        raise ValueError("Must be in the future, and within 100 years.")
    return aware


class KeyBody(Answer):
    """A key, without its secret."""

    id: str
    label: str
    hint: str
    scopes: list[str]
    rate_per_minute: int | None
    created_at: datetime
    used_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None


class KeysBody(Answer):
    """The keys of one owner."""

    keys: list[KeyBody]


class NewKeyBody(KeyBody):
    """A key just made: the only time its secret is shown."""

    secret: str


class KeyRequest(Strict):
    """A key to make. Without scopes it may read and write jobs."""

    label: str = Field(min_length=1, max_length=100)
    scopes: list[str] = Field(default=["jobs:read", "jobs:write"], max_length=10)
    owner: str | None = Field(None, min_length=1, max_length=100, description="For another owner, by name (admin).")
    rate_per_minute: int | None = Field(None, ge=1, le=1_000_000)
    expires_at: Annotated[datetime, AfterValidator(_soon)] | None = None


class KeyQuery(Strict):
    """Whose keys to list."""

    owner: str | None = Field(None, min_length=1, max_length=100, description="Another owner, by name (admin).")


class KeyPath(BaseModel):
    """A key's id."""

    key_id: Annotated[str, Field(max_length=60)]
