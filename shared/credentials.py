"""Content credentials (C2PA 2.x): a signed statement in a file of how it was made, and the reading of such statements.

Knows files and keys, no jobs. See https://spec.c2pa.org and the c2pa library.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import c2pa

from shared.signing import SigningKey

MEDIA_TYPES = ("image/png", "image/jpeg", "image/webp", "audio/wav", "audio/mpeg", "video/mp4")

ASSERTION = "org.atelier.work"
"""The label of our own statement in a manifest."""

State = Literal["trusted", "valid", "invalid"]

_MADE_BY_MODEL = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
_COMPOSITE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"


class Signatory:
    """Signs files with one key."""

    def __init__(self, key: SigningKey, version: str) -> None:
        # No thumbnail in the manifest: it would be 30 KB and most of the time that signing takes.
        settings = {"builder": {"thumbnail": {"enabled": False}}, "verify": {"verify_after_sign": False}}
        self._context = c2pa.Context(c2pa.Settings.from_dict(settings))
        self._signer = c2pa.Signer.from_info(
            c2pa.C2paSignerInfo(alg=b"ed25519", sign_cert=key.chain, private_key=key.private, ta_url=None)
        )
        self._generator = {"name": "Atelier", "version": version}

    def sign(self, path: Path, media_type: str, work: dict[str, Any], *, composite: bool = False) -> None:
        """Put a manifest with this statement into a file of one of MEDIA_TYPES; `composite` where it began as another.

        Two signings of the same file differ: the standard salts what it hashes.
        """
        origin = _COMPOSITE if composite else _MADE_BY_MODEL
        action = {"action": "c2pa.created", "digitalSourceType": origin}
        manifest = {
            "claim_generator_info": [self._generator],
            "title": path.name,
            "assertions": [
                {"label": "c2pa.actions.v2", "data": {"actions": [action]}},
                {"label": ASSERTION, "data": work},
            ],
        }
        signed = path.with_name(f"{path.name}.signed")
        try:
            with (
                c2pa.Builder(manifest, context=self._context) as builder,
                path.open("rb") as source,
                signed.open("w+b") as target,
            ):
                builder.sign(self._signer, media_type, source, target)
            os.replace(signed, path)
        finally:
            signed.unlink(missing_ok=True)


def read(path: Path, media_type: str, roots: Sequence[bytes]) -> dict[str, Any] | None:
    """What the credentials of a file say; None where it has none.

    Returns:
        `state` (trusted: whole, and signed under one of `roots`; valid: whole, signed by somebody else; invalid: it was
        changed after it was signed), `generator`, `title`, `issuer`, `work` (our statement) and `problems`.
    """
    anchors = b"".join(roots).decode()
    settings = {"verify": {"verify_trust": True}, "trust": {"trust_anchors": anchors, "user_anchors": anchors}}
    context = c2pa.Context(c2pa.Settings.from_dict(settings if roots else {}))
    try:
        with path.open("rb") as stream, c2pa.Reader(media_type, stream, context=context) as reader:
            found = json.loads(reader.json())
    except c2pa.C2paError.ManifestNotFound:
        return None
    except c2pa.C2paError as error:
        return {"state": "invalid", "problems": [str(error)[:300]]}
    manifest = found["manifests"][found["active_manifest"]]
    work = next((each["data"] for each in manifest.get("assertions", ()) if each["label"] == ASSERTION), None)
    generator = (manifest.get("claim_generator_info") or [{}])[0]
    return {
        "state": str(found.get("validation_state", "Invalid")).lower(),
        "generator": " ".join(str(generator[name]) for name in ("name", "version") if name in generator),
        "title": manifest.get("title"),
        "issuer": (manifest.get("signature_info") or {}).get("issuer"),
        "work": work,
        "problems": [each["code"] for each in found.get("validation_status") or ()],
    }
