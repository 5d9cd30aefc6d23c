"""What goes in and out of the API of artifacts."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from web.api.bodies import Answer, Strict


class ArtifactBody(Answer):
    """A file that a job made, or that was uploaded."""

    id: str
    role: Literal["output", "preview", "model", "checkpoint", "log", "input"]
    name: str
    media_type: str
    size: int = Field(description="Bytes.")
    sha256: str
    content_sha256: str | None = Field(description="Of what it shows or sounds like, without label and signature.")
    url: str
    meta: dict[str, Any]


class FeedbackBody(Answer):
    """What you said of a result."""

    thumb: Literal["up", "down"] | None
    edit: str | None
    given_at: datetime | None


class FeedbackRequest(Strict):
    """What a result is worth to you."""

    thumb: Literal["up", "down"] | None = None
    edit: str | None = Field(
        None, max_length=100_000, description="The text as it is right, or of a picture what it shows."
    )


class ArtifactPath(BaseModel):
    """An artifact's id."""

    artifact_id: Annotated[str, Field(max_length=60)]


class ArtifactQuery(BaseModel):
    """How to send a file."""

    inline: bool = Field(False, description="Show it in the browser, where its type is safe to show.")


class ListedArtifactBody(ArtifactBody):
    """A file, and what it takes to say how it was made."""

    width: int | None = Field(description="Of a picture, in pixels.")
    height: int | None
    thumbnail: str | None = Field(description="The address of a small picture of it, 512 pixels at most.")
    starred_at: datetime | None
    created_at: datetime
    job_id: str
    kind: str
    title: str
    model: str | None
    model_version: str | None
    seed: int = Field(description="The seed of this file: a job of several has one for each.")
    params: dict[str, Any] = Field(description="The params of its job.")


class ArtifactPageBody(Answer):
    """Some files, newest first."""

    artifacts: list[ListedArtifactBody]
    next: str | None = Field(description="The cursor of the next page, if there is one.")


class ArtifactsQuery(Strict):
    """Filters of a list of files."""

    role: Literal["output", "model", "checkpoint", "log"] | None = None
    media: str = Field("", max_length=100, description="How the media type begins: `image/`, `audio/wav`.")
    starred: bool = Field(False, description="Only those with a star.")
    q: str | None = Field(None, max_length=200, description="Part of the prompt, or a model or an id.")
    model: str | None = Field(None, max_length=200)
    limit: int = Field(50, ge=1, le=200)
    cursor: str | None = Field(None, max_length=60)


class ZipRequest(Strict):
    """Files to pack."""

    ids: list[str] = Field(min_length=1, max_length=500)
