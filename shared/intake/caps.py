"""How large a file from outside may be, in every way that can hurt."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Caps:
    """The bounds of one installation. A picture's, a sound's and a film's bytes are those of the file as it is sent."""

    picture_bytes: int = 64 << 20
    sound_bytes: int = 512 << 20
    film_bytes: int = 512 << 20
    text_bytes: int = 256 << 20
    archive_bytes: int = 1 << 30
    #: Of an archive: what it unpacks to, its files, and how many times as much a file may be unpacked.
    archive_total: int = 2 << 30
    archive_files: int = 100_000
    archive_ratio: int = 100
    pixels: int = 4096 * 4096
    ratio: float = 50
    sound_s: float = 2 * 3600
    film_s: float = 600
    film_frames: int = 36_000
    #: The longer side, in pixels, that a film is made smaller to.
    film_side: int = 1920
    rate_hz_least: int = 4_000
    rate_hz_most: int = 192_000
    channels: int = 8
    #: Seconds that the child may take by the clock, and of processor time.
    wall_s: int = 300
    cpu_s: int = 900
    memory: int = 3 << 30
    #: Bytes of one file that the child may write.
    written: int = 2 << 30

    def within(self, upload: int) -> "Caps":
        """The same where no file at all may be longer than `upload` bytes."""
        names = ("picture_bytes", "sound_bytes", "film_bytes", "text_bytes", "archive_bytes")
        return Caps(**{**vars(self), **{name: min(getattr(self, name), upload) for name in names}})
