"""The key of an installation, and what is signed with it."""

import multiprocessing
import stat
from pathlib import Path

import pytest

from shared import credentials, labels, signers, xmp
from shared.contents import content_hash
from shared.credentials import Signatory
from shared.db import Database
from shared.errors import Invalid
from shared.signing import SigningKey, signing_key
from tests.shared.test_xmp import made

WORK = {"kind": "generate_image", "model": "emoji", "seed": 7}


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return signing_key(tmp_path_factory.mktemp("keys") / "signing.pem", "Atelier")


def test_a_key_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path):
    file = tmp_path / "keys" / "signing.pem"
    first, again = signing_key(file, "Somebody"), signing_key(file, "Somebody else")
    assert first == again
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(file.parent.iterdir()) == [file]


def test_processes_that_begin_at_once_share_one_key(tmp_path: Path):
    file = tmp_path / "signing.pem"
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        keys = pool.starmap(signing_key, [(file, "Atelier")] * 8)
    assert len(set(keys)) == 1


def test_a_file_that_is_no_key_is_refused_by_its_name(tmp_path: Path, key: SigningKey):
    file = tmp_path / "signing.pem"
    for content in (b"", b"hello", key.private, key.chain, key.certificate + key.private + key.root):
        file.write_bytes(content)
        with pytest.raises(Invalid, match=r"signing\.pem must hold"):
            signing_key(file, "Atelier")


@pytest.mark.parametrize("media_type", xmp.MEDIA_TYPES)
def test_a_signed_file_says_how_it_was_made(tmp_path: Path, key: SigningKey, media_type: str):
    # given a labelled file
    path = made(tmp_path, media_type)
    before = content_hash(path, media_type)
    xmp.embed(path, media_type, labels.packet(labels.Label("us", "job_1/a")))
    # when it is signed
    Signatory(key, "1.2").sign(path, media_type, WORK)
    # then its credentials are ours and whole, and neither label nor content has changed
    found = credentials.read(path, media_type, [key.root])
    assert found is not None
    assert (found["state"], found["generator"], found["work"]) == ("trusted", "Atelier 1.2", WORK)
    assert found["problems"] == []
    assert xmp.extract(path)
    assert content_hash(path, media_type) == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_signature_of_another_installation_is_valid_but_not_ours(tmp_path: Path, key: SigningKey):
    path = made(tmp_path, "image/png")
    Signatory(key, "1.2").sign(path, "image/png", WORK)
    other = signing_key(tmp_path / "other.pem", "Others")
    for roots in ([], [other.root]):
        found = credentials.read(path, "image/png", roots)
        assert found is not None
        assert (found["state"], found["issuer"]) == ("valid", "Atelier")
    found = credentials.read(path, "image/png", [other.root, key.root])
    assert found is not None
    assert found["state"] == "trusted"


def test_a_file_that_was_changed_after_signing_is_found_out(tmp_path: Path, key: SigningKey):
    path = made(tmp_path, "image/png")
    Signatory(key, "1.2").sign(path, "image/png", WORK)
    data = bytearray(path.read_bytes())
    data[-30] ^= 1
    path.write_bytes(data)
    found = credentials.read(path, "image/png", [key.root])
    assert found is not None
    assert found["state"] == "invalid"
    assert any("mismatch" in problem for problem in found["problems"])


def test_a_file_without_credentials_has_none(tmp_path: Path):
    assert credentials.read(made(tmp_path, "image/png"), "image/png", []) is None


def test_roots_are_noted_once(db: Database, key: SigningKey):
    assert signers.roots(db) == []
    signers.register(db, key)
    signers.register(db, key)
    assert signers.roots(db) == [key.root]
