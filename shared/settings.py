"""Every setting of an installation, read once from the environment by an entry point and passed on.

No other module reads the environment.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AliasChoices, Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Switch = Literal["choice", "on", "off"]


def _named(*names: str) -> AliasChoices:
    return AliasChoices(*names)


class Settings(BaseSettings):
    """Settings with their environment names; times are seconds unless the name says otherwise."""

    # With a prefix, a field is never read from its bare name: HOME and PORT belong to others.
    model_config = SettingsConfigDict(frozen=True, populate_by_name=True, extra="ignore", env_prefix="ATELIER_")

    home: Path = Field(Path("var"), validation_alias=_named("ATELIER_HOME"), description="Where state lives.")
    host: str = Field("127.0.0.1", validation_alias=_named("ATELIER_HOST"), description="Address the site listens on.")
    port: int = Field(8000, ge=1, le=65535, validation_alias=_named("ATELIER_PORT"))
    public_url: str | None = Field(None, validation_alias=_named("ATELIER_URL"), description="URL seen by users.")
    api_key: str | None = Field(None, validation_alias=_named("ATELIER_API_KEY"), description="Fixes the owner's key.")
    database_url: str = Field("", validation_alias=_named("DATABASE_URL"))
    redis_url: str = Field("", validation_alias=_named("REDIS_URL"))
    storage_url: str | None = Field(None, validation_alias=_named("STORAGE_URL"))
    kinds_path: Path | None = Field(None, validation_alias=_named("ATELIER_KINDS_PATH"))
    devices: Annotated[tuple[str, ...], NoDecode] = Field((), validation_alias=_named("ATELIER_DEVICES"))
    memory_budget_gb: float | None = Field(None, gt=0, validation_alias=_named("ATELIER_MEMORY_BUDGET_GB"))

    # The promise "a job interrupted by any crash starts again within 45 s" is lease_s + sweep_s plus a margin.
    lease_s: float = Field(30, gt=0, validation_alias=_named("ATELIER_LEASE_S"))
    pulse_s: float = Field(1, gt=0, validation_alias=_named("ATELIER_PULSE_S"))
    heartbeat_s: float = Field(5, gt=0, validation_alias=_named("ATELIER_HEARTBEAT_S"))
    sweep_s: float = Field(5, gt=0, validation_alias=_named("ATELIER_SWEEP_S"))
    retry_s: float = Field(5, gt=0, validation_alias=_named("ATELIER_RETRY_S"), description="First back-off.")
    drain_s: float = Field(60, ge=0, validation_alias=_named("ATELIER_DRAIN_S"))

    # What is done with every work: each job's own choice, or the same for all.
    safety_filter: Switch = Field("choice", validation_alias=_named("ATELIER_SAFETY_FILTER"))
    content_credentials: Switch = Field("choice", validation_alias=_named("ATELIER_CONTENT_CREDENTIALS"))
    visible_mark: Switch = Field("choice", validation_alias=_named("ATELIER_VISIBLE_MARK"))
    safety_threshold: float = Field(0.6, gt=0, le=1, validation_alias=_named("ATELIER_SAFETY_THRESHOLD"))
    safety_model: str = Field("open-nsfw", validation_alias=_named("ATELIER_SAFETY_MODEL"))
    text_classifier: str | None = Field(
        None, validation_alias=_named("ATELIER_TEXT_CLASSIFIER"), description="A library model that judges texts."
    )
    text_blocked_labels: Annotated[tuple[str, ...], NoDecode] = Field(
        (), validation_alias=_named("ATELIER_TEXT_BLOCKED_LABELS"), description="Its labels that no text may get."
    )
    word_lists: Path | None = Field(
        None, validation_alias=_named("ATELIER_WORD_LISTS"), description="A folder with a file of words per language."
    )
    producer: str = Field(
        "Atelier", max_length=200, validation_alias=_named("ATELIER_PRODUCER"), description="Who answers for the works."
    )
    signing_key: Path | None = Field(
        None, validation_alias=_named("ATELIER_SIGNING_KEY"), description="A file with a key and its certificates."
    )

    # The names that its own package knows them by.
    wandb_api_key: str | None = Field(None, validation_alias=_named("WANDB_API_KEY"), repr=False)
    wandb_project: str = Field("atelier", validation_alias=_named("WANDB_PROJECT"))

    max_body_mb: int = Field(64, ge=1, validation_alias=_named("ATELIER_MAX_BODY_MB"))
    max_upload_mb: int = Field(512, ge=1, validation_alias=_named("ATELIER_MAX_UPLOAD_MB"))
    rate_per_minute: int = Field(1200, ge=1, validation_alias=_named("ATELIER_RATE_PER_MINUTE"))
    queued_cap: int = Field(100_000, ge=1, validation_alias=_named("ATELIER_QUEUED_CAP"))
    log_level: str = Field("INFO", validation_alias=_named("ATELIER_LOG_LEVEL"))

    @field_validator("home", "kinds_path", "word_lists", "signing_key")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        return path.expanduser().absolute() if path else None

    @field_validator("devices", "text_blocked_labels", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("storage_url", "api_key", "public_url", "text_classifier", "wandb_api_key")
    @classmethod
    def _blank_is_unset(cls, value: str | None) -> str | None:
        return value or None

    @property
    def storage(self) -> str:
        """The object store's URL; a folder under `home` where none is named."""
        return self.storage_url or (self.home.absolute() / "artifacts").as_uri()

    @property
    def fixed(self) -> dict[str, bool]:
        """The switches of works that no job may choose, each with what it is."""
        switches = {name: getattr(self, name) for name in ("safety_filter", "content_credentials", "visible_mark")}
        return {name: switch == "on" for name, switch in switches.items() if switch != "choice"}

    @property
    def signing(self) -> Path:
        """The file of the key that signs works; made on first use where none is named."""
        return self.signing_key or self.home.absolute() / "keys" / "signing.pem"

    @property
    def url(self) -> str:
        """The URL under which users reach the site."""
        return self.public_url or f"http://{self.host}:{self.port}"
