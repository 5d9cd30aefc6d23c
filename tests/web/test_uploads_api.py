"""The API of uploads: what is taken, what is refused, and that nothing is left of what is refused."""

import base64
import hashlib
import io
import re
import struct
import subprocess
import sys
import time
import wave
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from flask.testing import FlaskClient
from PIL import Image
from sqlalchemy import text
from werkzeug.test import TestResponse

from shared import staging
from shared.db import Database
from shared.settings import Settings
from shared.storage import Storage
from web.uploads import MAX_LENGTH

Send = Callable[..., TestResponse]


@pytest.fixture
def send(client: FlaskClient, secret: str) -> Send:
    """Sends a file as the body itself."""

    def send(
        content: bytes, media_type: str = "application/octet-stream", name: str = "", **headers: str
    ) -> TestResponse:
        length = {"CONTENT_LENGTH": str(len(content))}
        given = {"Authorization": f"Bearer {secret}", "Content-Type": media_type}
        given |= {header.replace("_", "-"): value for header, value in headers.items()}
        return client.post(
            "/api/uploads",
            query_string={"name": name} if name else {},
            data=content,
            headers=given,
            environ_overrides=length,
        )

    return send


@pytest.fixture
def ask(client: FlaskClient, secret: str) -> Callable[..., TestResponse]:
    def ask(method: str, path: str, key: str = secret, **options: Any) -> TestResponse:
        headers = {"Authorization": f"Bearer {key}"} | options.pop("headers", {})
        return client.open(path, method=method, headers=headers, **options)

    return ask


def picture(form: str = "png", size: tuple[int, int] = (64, 48), mode: str = "RGB", **options: Any) -> bytes:
    made = io.BytesIO()
    Image.new(mode, size, {"RGB": "teal", "RGBA": (0, 128, 128, 99)}.get(mode, 100)).save(made, form, **options)
    return made.getvalue()


def sound(seconds: float = 0.5, rate: int = 8000) -> bytes:
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.sin(np.arange(int(seconds * rate)) * 0.3) * 9000).astype("<i2").tobytes())
    return made.getvalue()


def film(frames: int = 12, form: str = "mp4", codec: str = "libx264") -> bytes:
    made = io.BytesIO()
    with av.open(made, "w", format=form) as file:
        stream = file.add_stream(codec, rate=12)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(frames):
            level = np.full((48, 64, 3), number * 20 % 255, "uint8")
            file.mux(stream.encode(av.VideoFrame.from_ndarray(level, format="rgb24")))
        file.mux(stream.encode(None))
    return made.getvalue()


def kept(db: Database) -> int:
    with db.begin() as connection:
        return connection.execute(text("select count(*) from artifacts")).scalar_one()


def bytes_of(client: FlaskClient, secret: str, body: dict[str, Any]) -> bytes:
    return client.get(body["url"], headers={"Authorization": f"Bearer {secret}"}).data


# ---- what is taken --------------------------------------------------------------------------------------------------


def test_a_picture_is_upright_plain_and_without_its_metadata(send: Send, client: FlaskClient, secret: str) -> None:
    exif = Image.Exif()
    exif[274] = 6  # to be turned by 90 degrees
    exif[305] = "a camera"
    exif.get_ifd(34853)[2] = (52.0, 31.0, 12.0)  # GPS latitude
    answer = send(picture("jpeg", (64, 48), exif=exif, comment=b"secret"), "image/jpeg", "../holiday é.JPG")
    assert answer.status_code == 201
    body = answer.json
    assert (body["role"], body["media_type"], body["name"]) == ("input", "image/jpeg", "holiday é.jpg")
    assert (body["width"], body["height"]) == (48, 64)
    found = bytes_of(client, secret, body)
    assert hashlib.sha256(found).hexdigest() == body["sha256"]
    opened = Image.open(io.BytesIO(found))
    assert (opened.size, dict(opened.getexif()), opened.info.get("icc_profile")) == ((48, 64), {}, None)
    assert b"camera" not in found
    assert b"secret" not in found


MODES = (
    (picture("jpeg", mode="CMYK"), "RGB", None),
    (picture("webp", mode="RGBA"), "RGBA", None),
    (picture("png", mode="P"), "RGB", None),
    (picture("png", mode="1"), "L", 255),
    (picture("png", mode="I;16"), "L", 0),
    (picture("png", icc_profile=b"broken"), "RGB", (0, 128, 128)),
)


def test_pictures_of_every_mode_become_plain(send: Send, client: FlaskClient, secret: str) -> None:
    for content, mode, pixel in MODES:
        answer = send(content, "image/png")
        assert answer.status_code == 201, (mode, answer.text)
        opened = Image.open(io.BytesIO(bytes_of(client, secret, answer.json)))
        assert opened.mode == mode
        if pixel is not None:
            assert opened.getpixel((5, 5)) == pixel


def test_sounds_films_and_texts(send: Send, client: FlaskClient, secret: str) -> None:
    heard = send(sound(), "audio/wav", "voice.wav").json
    assert (heard["media_type"], heard["name"]) == ("audio/flac", "voice.flac")
    assert heard["meta"] == {"seconds": 0.5, "sample_rate": 8000, "channels": 1}
    seen = send(film(form="matroska"), "video/x-matroska", "clip.mkv").json
    assert (seen["media_type"], seen["name"], seen["meta"]["frames"]) == ("video/mp4", "clip.mp4", 12)
    assert seen["thumbnail"]
    poster = client.get(seen["thumbnail"], headers={"Authorization": f"Bearer {secret}"})
    assert (poster.status_code, poster.mimetype) == (200, "image/webp")
    with av.open(io.BytesIO(bytes_of(client, secret, seen))) as opened:
        assert opened.streams.video[0].codec_context.name == "h264"
    for name, media_type, kept_as in (
        ("notes.txt", "text/plain", "text/plain"),
        ("rows.csv", "text/csv", "text/csv"),
        ("rows.jsonl", "application/octet-stream", "application/jsonl"),
        ("page.html", "text/html", "text/plain"),
    ):
        body = send(f"\ufeff<b>{name}</b>\n".encode(), media_type, name).json
        assert (body["media_type"], body["name"]) == (kept_as, name)
        assert bytes_of(client, secret, body) == f"<b>{name}</b>\n".encode()
    assert bytes_of(client, secret, send("größer".encode("utf-16"), "text/plain").json) == "größer".encode()


def test_the_same_bytes_are_one_artifact_and_other_owners_have_their_own(
    send: Send, ask: Callable[..., TestResponse], stranger_secret: str, db: Database
) -> None:
    first = send(picture(), "image/png", "a.png")
    again = send(picture(), "image/png", "b.png")
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json["id"] == first.json["id"]
    theirs = ask("POST", "/api/uploads", stranger_secret, data={"file": (io.BytesIO(picture()), "c.png")})
    assert theirs.status_code == 201
    assert theirs.json["id"] != first.json["id"]
    assert kept(db) == 2
    for method in ("GET", "DELETE"):
        assert ask(method, f"/api/uploads/{first.json['id']}", stranger_secret).status_code == 404
    listed = ask("GET", "/api/uploads").json["uploads"]
    assert [each["id"] for each in listed] == [first.json["id"]]
    assert ask("GET", "/api/uploads?media=audio/").json["uploads"] == []


def test_hashes_and_idempotency_keys(send: Send, db: Database) -> None:
    content = picture()
    digest = hashlib.sha256(content).digest()
    right, wrong = (f"sha-256=:{base64.b64encode(each).decode()}:" for each in (digest, bytes(32)))
    refused = send(content, "image/png", Content_Digest=wrong)
    assert (refused.status_code, refused.json["code"]) == (400, "hash_mismatch")
    assert kept(db) == 0
    first = send(content, "image/png", Content_Digest=right, Idempotency_Key="one")
    again = send(content, "image/png", Idempotency_Key="one")
    assert again.json["id"] == first.json["id"]
    assert again.headers["Idempotent-Replayed"] == "true"
    other = send(picture(size=(9, 9)), "image/png", Idempotency_Key="one")
    assert (other.status_code, other.json["code"]) == (422, "idempotency_mismatch")


# ---- what is refused: reliability.md, section 3 ---------------------------------------------------------------------


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims this size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 64)) + chunk(b"IEND", b"")
    )


def moving(form: str) -> bytes:
    made = io.BytesIO()
    frames = [Image.new("RGB", (8, 8), (each * 40, 0, 0)) for each in range(4)]
    frames[0].save(made, form, save_all=True, append_images=frames[1:])
    return made.getvalue()


def claims_ten_hours() -> bytes:
    """The header of a FLAC of half a second says ten hours."""
    made = io.BytesIO()
    with av.open(made, "w", format="flac") as file:
        stream = file.add_stream("flac", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4000), "int16"), format="s16", layout="mono")
        frame.sample_rate = 8000
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    content = bytearray(made.getvalue())
    about = int.from_bytes(content[18:26], "big")
    content[18:26] = (about >> 36 << 36 | 8000 * 36_000).to_bytes(8, "big")
    return bytes(content)


def odd_rate(rate: int) -> bytes:
    content = bytearray(sound())
    content[24:32] = struct.pack("<II", rate, rate * 2)
    return bytes(content)


PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"

HOSTILE = {
    "nothing": (b"", "image/png", "empty_file"),
    "no picture": (b"hello", "image/png", "unsupported_image"),
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>', "image/svg+xml", "unsupported_image"),
    "gif": (moving("gif"), "image/gif", "unsupported_image"),
    "moving webp": (moving("webp"), "image/webp", "unsupported_image"),
    "moving png": (moving("png"), "image/png", "unsupported_image"),
    "tiff": (picture("tiff"), "image/tiff", "unsupported_image"),
    "eps as png": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "image/png", "unsupported_image"),
    "psd": (b"8BPS\0\1" + bytes(40), "image/png", "unsupported_image"),
    "fits": (b"SIMPLE  =                    T" + bytes(2880), "application/octet-stream", "unsupported_image"),
    "bomb": (bomb(65_535, 65_535), "image/png", "image_too_large"),
    "narrow": (bomb(30_000, 1), "image/png", "image_too_large"),
    "truncated": (picture("png", (300, 300))[:-60], "image/png", "unsupported_image"),
    "truncated jpeg": (picture("jpeg", (300, 300))[:-700], "image/jpeg", "unsupported_image"),
    "header only": (b"\xff\xd8\xff\xe0", "image/jpeg", "unsupported_image"),
    "playlist as film": (PLAYLIST, "video/mp4", "unsupported_video"),
    "concat": (b"ffconcat version 1.0\nfile /etc/passwd\n", "video/webm", "unsupported_video"),
    "playlist behind a magic number": (b"ID3" + PLAYLIST, "audio/mpeg", "unsupported_audio"),
    "no sound": (b"RIFF\x24\0\0\0WAVEfmt ", "audio/wav", "unsupported_audio"),
    "empty sound": (sound(0), "audio/wav", "unsupported_audio"),
    "one a second": (odd_rate(1), "audio/wav", "unsupported_audio"),
    "768 kHz": (odd_rate(768_000), "audio/wav", "unsupported_audio"),
    "cut sound": (sound(1)[:4000], "audio/wav", "unsupported_audio"),
    "cut film": (film()[:900], "video/mp4", "unsupported_video"),
    "ten hours": (claims_ten_hours(), "audio/flac", "audio_too_large"),
    "zip": (b"PK\x03\x04" + bytes(30), "application/octet-stream", "bad_archive"),
    "not utf-8": (b"fine\nna\xefve\n", "text/plain", "unsupported_text"),
    "nul": (b"fine\n" + b"x" * 5000 + b"\0\n", "text/csv", "unsupported_text"),
    "only a mark": (b"\xef\xbb\xbf", "text/plain", "empty_file"),
}


def test_what_is_not_taken_gets_a_sentence_and_leaves_nothing(send: Send, db: Database, settings: Settings) -> None:
    wrong = []
    for what, (content, media_type, code) in HOSTILE.items():
        answer = send(content, media_type)
        told = answer.json.get("detail", "")
        if (answer.status_code, answer.json.get("code")) != (422, code) or not re.fullmatch(r"[A-Z0-9].*\.", told):
            wrong.append(f"{what}: {answer.text}")
    assert wrong == []
    assert kept(db) == 0
    assert list(Storage(settings.storage).keys()) == []


def test_the_wrong_name_is_put_right_and_what_follows_the_picture_is_gone(
    send: Send, client: FlaskClient, secret: str
) -> None:
    named = send(picture("png"), "audio/mpeg", "song.mp3").json
    assert (named["media_type"], named["name"]) == ("image/png", "song.png")
    both = send(picture("png", (50, 50)) + b"PK\x03\x04<script>alert(1)</script>", "image/png").json
    assert b"script" not in bytes_of(client, secret, both)


def test_a_broken_off_form_and_a_body_without_length_leave_nothing(
    client: FlaskClient, ask: Callable[..., TestResponse], db: Database, secret: str
) -> None:
    whole = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n' + picture()
    answer = ask("POST", "/api/uploads", data=whole, content_type="multipart/form-data; boundary=x")
    assert (answer.status_code, answer.json["code"]) == (400, "no_file")
    assert ask("POST", "/api/uploads", data="{}", content_type="application/json").status_code == 415
    chunked = client.post(
        "/api/uploads",
        input_stream=io.BytesIO(picture()),
        headers={"Authorization": f"Bearer {secret}", "Content-Type": "image/png", "Transfer-Encoding": "chunked"},
    )
    assert chunked.status_code == 411
    lying = ask(
        "POST", "/api/uploads", data=picture(), environ_overrides={"CONTENT_LENGTH": "99999"}, content_type="image/png"
    )
    assert (lying.status_code, lying.json["code"]) == (400, "cut_off")
    assert kept(db) == 0


def test_a_file_over_the_limit(app: Any, send: Send, ask: Callable[..., TestResponse]) -> None:
    app.config[MAX_LENGTH] = 1000
    assert send(bytes(2000), "image/png").status_code == 413
    assert ask("POST", "/api/uploads", headers={"Upload-Length": "2000"}).status_code == 413


def test_a_decoder_that_takes_too_much_is_ended(tmp_path: Path) -> None:
    """The bounds hold in the child itself: memory, processor time, sizes of files, and the network."""
    code = """
import resource, socket, sys
from shared.intake import cage
from shared.intake.caps import Caps
cut_off = cage.close(Caps(memory=1 << 29, cpu_s=7))
assert resource.getrlimit(resource.RLIMIT_AS)[0] == 1 << 29
assert resource.getrlimit(resource.RLIMIT_CPU)[0] == 7
try:
    held = bytearray(1 << 30)
except MemoryError:
    print("memory")
try:
    socket.create_connection(("127.0.0.1", int(sys.argv[1])), 2)
except OSError:
    print("network" if cut_off else "open network")
"""
    with __import__("socket").create_server(("127.0.0.1", 0)) as server:
        command = [sys.executable, "-c", code, str(server.getsockname()[1])]
        run = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    told = run.stdout.split()
    assert told[0] == "memory"
    # A host may forbid namespaces; then only the other bounds hold.
    assert told[1:] in (["network"], [])


# ---- in pieces ------------------------------------------------------------------------------------------------------

PIECE = "application/offset+octet-stream"


def test_an_upload_in_pieces_goes_on_where_it_broke_off(
    ask: Callable[..., TestResponse], stranger_secret: str, settings: Settings, db: Database
) -> None:
    content = picture("png", (200, 100))
    name = base64.b64encode(b"big.png").decode()
    begun = ask(
        "POST", "/api/uploads", headers={"Upload-Length": str(len(content)), "Upload-Metadata": f"filename {name}"}
    )
    assert (begun.status_code, begun.headers["Upload-Offset"]) == (201, "0")
    address = begun.headers["Location"]

    def piece(start: int, end: int, **options: Any) -> TestResponse:
        headers = {"Upload-Offset": str(start)}
        return ask("PATCH", address, headers=headers, data=content[start:end], content_type=PIECE, **options)

    assert (piece(0, 100).status_code, ask("HEAD", address).headers["Upload-Offset"]) == (204, "100")
    assert ask("HEAD", address, stranger_secret).status_code == 404
    assert (piece(50, 60).status_code, piece(50, 60).json["code"]) == (409, "wrong_offset")
    broken = ask(
        "PATCH", address, headers={"Upload-Offset": "100"}, data=content[100:150], content_type=PIECE,
            environ_overrides={"CONTENT_LENGTH": str(len(content) - 100)},
    )  # fmt: skip
    assert broken.status_code == 400
    assert ask("HEAD", address).headers["Upload-Offset"] == "150"
    too_much = ask("PATCH", address, headers={"Upload-Offset": "150"}, data=content + content, content_type=PIECE)
    assert too_much.status_code == 413
    done = piece(150, len(content))
    assert done.status_code == 204
    body = ask("GET", done.headers["Content-Location"]).json
    assert (body["name"], body["width"]) == ("big.png", 200)
    assert ask("GET", address).json["artifact"]["id"] == body["id"]
    assert not list((settings.home / "uploads").rglob("bytes"))
    # The same file at once is the same artifact.
    assert ask("POST", "/api/uploads", data=content, content_type="image/png").json["id"] == body["id"]
    assert kept(db) == 1


def test_pieces_that_are_given_up_refused_or_forgotten_go(
    ask: Callable[..., TestResponse], settings: Settings, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def begin(length: int) -> str:
        return str(ask("POST", "/api/uploads", headers={"Upload-Length": str(length)}).headers["Location"])

    folders = settings.home / "uploads"
    given_up = begin(5)
    assert ask("DELETE", given_up).status_code == 204
    assert ask("HEAD", given_up).status_code == 404
    refused = begin(5)
    answer = ask("PATCH", refused, headers={"Upload-Offset": "0"}, data=b"\x00\x01\x02\x03\x04", content_type=PIECE)
    assert (answer.status_code, answer.json["code"]) == (422, "unsupported_file")
    assert ask("HEAD", refused).status_code == 404
    forgotten = begin(5)
    monkeypatch.setattr(staging, "LIFE_S", 0.01)
    time.sleep(0.05)
    assert ask("HEAD", forgotten).status_code == 404
    staging.Staging(settings.home).forget()
    assert not list(folders.rglob("about.json"))
    assert kept(db) == 0
    for headers in ({"Upload-Length": "x"}, {"Upload-Length": "9", "Upload-Metadata": "filename ???"}):
        assert ask("POST", "/api/uploads", headers=headers).status_code == 422
