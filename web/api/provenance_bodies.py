"""What comes out of the API of provenance."""

from typing import Any, Literal

from pydantic import Field

from web.api.artifact_bodies import ArtifactBody
from web.api.bodies import Answer


class CredentialsBody(Answer):
    """Content credentials (C2PA) in a file."""

    state: Literal["trusted", "valid", "invalid"] = Field(
        description="trusted: signed here and not changed since; valid: signed elsewhere; invalid: changed since."
    )
    generator: str | None = Field(description="The program that signed.")
    issuer: str | None = Field(description="Who signed, as the certificate names them.")
    title: str | None
    work: dict[str, Any] | None = Field(description="How it was made, as an Atelier says: kind, model, seed, job.")
    problems: list[str] = Field(description="What is wrong with the signature, in the codes of C2PA.")


class KnownBody(ArtifactBody):
    """A file of yours that is this one, or shows or sounds the same."""

    job_id: str | None


class ProvenanceBody(Answer):
    """What this installation knows of a file."""

    made_here: bool
    match: Literal["exact", "content"] | None = Field(
        description="exact: a file of yours is this very one; content: one shows or sounds the same."
    )
    sha256: str
    media_type: str
    artifacts: list[KnownBody]
    credentials: CredentialsBody | None
    label: dict[str, str] | None = Field(description="The label of generated content after GB 45438-2025.")
    settings: str | None = Field(description="The settings that image tools write into a picture.")
