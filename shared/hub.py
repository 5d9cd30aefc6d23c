"""Model files from the hub, at a pinned revision and in safe formats only: the one way out for model files."""

from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import (
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from shared.errors import JobError, RetryableError

SAFE_FILES = ("*.safetensors", "*.gguf", "*.onnx", "*.json", "*.txt", "*.model", "*.jinja")
"""Weights without code in them, configurations, vocabularies."""


def snapshot(repository: str, revision: str, cache: Path) -> Path:
    """The local folder of a hub repository at a commit, downloaded on first use.

    Raises:
        JobError: there is no such repository or revision.
        RetryableError: the hub cannot be reached and the files are not here yet.
    """
    try:
        return Path(snapshot_download(repository, revision=revision, cache_dir=cache, allow_patterns=list(SAFE_FILES)))
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise JobError("model_missing", f"The hub has no {repository!r} at {revision!r}.", field="model") from error
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise RetryableError("hub_unreachable", f"The hub cannot be reached to fetch {repository!r}.") from error
