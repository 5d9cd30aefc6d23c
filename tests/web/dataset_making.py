"""Datasets for tests of the pages: a file is uploaded, checked as a worker would, and what came of it entered."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image

from shared import artifacts, attempts, claims, jobs, kinds
from shared.artifacts import NewArtifact
from shared.claims import Claimant
from shared.db import Database
from shared.job import Progress
from shared.library import ModelSource
from shared.owners import Owner
from shared.settings import Settings
from shared.storage import Storage, fingerprint
from tests.kinds.context import FakeContext
from worker.kinds.check_dataset import run

Make = Callable[..., str]
"""Uploads a file under a name, checks it as a worker would, and enters what came of it; the job's id."""


@pytest.fixture
def make(app: Flask, client: FlaskClient, db: Database, settings: Settings, tmp_path: Path) -> Make:
    def make(owner: Owner, secret: str, name: str, content: bytes, file: str = "data.jsonl", **params: Any) -> str:
        sent = client.post(
            "/api/uploads",
            query_string={"name": file},
            data=content,
            headers={"Authorization": f"Bearer {secret}", "Content-Type": "application/octet-stream"},
        )
        assert sent.status_code == 201, sent.text
        asked = {"name": name, "source": sent.json["id"], "validation": 0.0, **params}
        job = jobs.submit(db, owner, "check_dataset", asked).job
        claimed = claims.claim(db, Claimant("wkr_1", "dev_1", ("cpu",)), lease_s=60)
        assert claimed is not None
        storage = Storage(settings.storage)
        folder = tmp_path / job.id
        folder.mkdir()
        upload = artifacts.get(db, owner.id, asked["source"])
        path = tmp_path / f"{job.id}-sent"
        storage.fetch(upload.key, path, upload.sha256)
        nothing: dict[str, ModelSource] = {}
        ctx = FakeContext(folder, nothing, seed=job.seed)
        ref = ctx.give(path, upload.media_type)
        run(kinds.validate("check_dataset", {**asked, "source": ref}), ctx)
        outputs = []
        for saved in ctx.saved:
            kept = folder / saved.name
            kept.write_bytes(saved.data)
            content_of = fingerprint(kept)
            key = artifacts.blob_key(owner.id, content_of.sha256)
            artifacts.announce(db, {key: content_of.size})
            storage.put(key, kept)
            media_type = saved.media_type or "application/octet-stream"
            outputs.append(
                NewArtifact(saved.role, saved.name, media_type, content_of.size, content_of.sha256, key, saved.meta)
            )
        attempts.finish(db, claimed, outputs, progress=Progress(), metrics={})
        return job.id

    return make


def rows(count: int, **more: object) -> bytes:
    told = ({"text": f"row {number} <b>", "label": "ab"[number % 2], **more} for number in range(count))
    return b"".join(json.dumps(row).encode() + b"\n" for row in told)


def picture(shade: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (16, 16), (shade, 0, 0)).save(file, "PNG")
    return file.getvalue()
