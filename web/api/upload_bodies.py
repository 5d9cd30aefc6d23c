"""What goes in and out of the API of uploads."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from web.api.artifact_bodies import ArtifactBody
from web.api.bodies import Answer, Strict


class UploadBody(ArtifactBody):
    """A file that was uploaded, as it is kept: written anew, without what else was in it."""

    width: int | None = Field(description="Of a picture or a film, in pixels.")
    height: int | None
    thumbnail: str | None = Field(description="The address of a small picture of it, 512 pixels at most.")
    created_at: datetime


class StagedBody(Answer):
    """An upload that comes in pieces."""

    id: str
    offset: int = Field(description="How many bytes have arrived.")
    length: int = Field(description="How many there will be.")
    expires_at: datetime = Field(description="When it goes, if nothing more comes.")
    artifact: UploadBody | None = Field(description="What became of it, once all of it was there.")


class UploadPageBody(Answer):
    """Some uploads, newest first."""

    uploads: list[UploadBody]
    next: str | None = Field(description="The cursor of the next page, if there is one.")


class UploadPath(BaseModel):
    """An upload's id: `art_…`, or `upl_…` of one that comes in pieces."""

    upload_id: Annotated[str, Field(max_length=60)]


class SendQuery(Strict):
    """What may be said of a file beside its bytes."""

    name: str = Field("", max_length=500, description="Its name, where the body is the file itself.")
    sha256: str | None = Field(None, pattern=r"^[0-9a-fA-F]{64}$", description="Of the file, in hex: it is checked.")


class UploadsQuery(Strict):
    """Filters of a list of uploads."""

    media: str = Field("", max_length=100, description="How the media type begins: `image/`, `audio/flac`.")
    limit: int = Field(50, ge=1, le=200)
    cursor: str | None = Field(None, max_length=60)
