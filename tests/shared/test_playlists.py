"""Texts that name other files, in the dress of a film, a sound or a picture: refused, and never followed."""

import logging
from pathlib import Path

import av
import pytest

from shared import thumbnails
from shared.errors import Invalid
from shared.intake import decoder, formats, streams
from shared.intake.caps import Caps
from shared.intake.formats import Format
from shared.intake.refusal import Refusal


@pytest.fixture
def lists(tmp_path: Path) -> dict[str, bytes]:
    """Each kind of playlist, of a film beside it that can really be opened."""
    secret = tmp_path / "secret.mp4"
    with av.open(str(secret), "w") as made:
        stream = made.add_stream("libx264", rate=5)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for _ in range(3):
            made.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        made.mux(stream.encode(None))
    address = str(secret)
    return {
        "hls": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{address}\n#EXT-X-ENDLIST\n".encode(),
        "ffconcat": f"ffconcat version 1.0\nfile '{address}'\n".encode(),
        "sdp": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
        b"m=video 9 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    }


KINDS = ("hls", "ffconcat", "sdp")
DRESSES = (("clip.mp4", "video/mp4"), ("clip.mov", ""), ("voice.wav", "audio/wav"), ("a.png", "image/png"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("name", "media_type"), DRESSES)
def test_by_its_first_bytes_it_is_no_film(
    lists: dict[str, bytes], tmp_path: Path, kind: str, name: str, media_type: str
) -> None:
    sent = tmp_path / name
    sent.write_bytes(lists[kind])
    with pytest.raises(Refusal, match="not in a format that is taken here"):
        formats.tell(sent, name, media_type)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("demuxer", ["mov", "matroska", "ogg", "wav", "flac", "mp3"])
def test_a_demultiplexer_that_is_named_reads_no_playlist(
    lists: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, demuxer: str
) -> None:
    """Even where it passed for a film by its first bytes: no other file is opened, and nothing is written."""
    sent, folder = tmp_path / "clip.mp4", tmp_path / "made"
    sent.write_bytes(lists[kind])
    folder.mkdir()
    monkeypatch.chdir(folder)
    with pytest.raises(Refusal):
        streams.read(sent, demuxer, Caps())
    assert list(folder.iterdir()) == []


def test_the_playlists_would_lead_somewhere(lists: dict[str, bytes], tmp_path: Path) -> None:
    """The proof that these tests can fail: ffmpeg left alone follows such a list to the other file."""
    sent = tmp_path / "clip.mp4"
    sent.write_bytes(lists["ffconcat"])
    with av.open(str(sent), options={"safe": "0"}) as followed:
        assert followed.streams.video[0].width == 64


@pytest.mark.parametrize("kind", KINDS)
def test_the_child_refuses_it_with_a_sentence(lists: dict[str, bytes], tmp_path: Path, kind: str) -> None:
    sent, folder = tmp_path / "clip.mp4", tmp_path / "made"
    sent.write_bytes(lists[kind])
    folder.mkdir()
    with pytest.raises(Invalid, match="cannot be read"):
        decoder.decode(sent, Format("stream", "mov"), folder, Caps())
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("kind", KINDS)
def test_it_has_no_thumbnail(
    lists: dict[str, bytes], tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    for name in ("clip.mp4", "a.png", "list.m3u8"):
        sent = tmp_path / name
        sent.write_bytes(lists[kind])
        with caplog.at_level(logging.CRITICAL):
            assert thumbnails.measure(sent) is None
    assert not list(tmp_path.glob("*.webp"))
