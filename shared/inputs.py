"""What params may name as input: artifacts of the same owner, of the medium that the field takes."""

from collections.abc import Collection, Mapping

from shared.db import Database
from shared.errors import Invalid
from shared.kinds.params import Media, Params

TABLES = ("text/csv", "application/jsonl", "application/x-ndjson", "text/plain", "text/tab-separated-values")
"""Media types that can be read as rows."""

ARCHIVE = "application/zip"

_TYPES = """
select coalesce(json_object_agg(id, media_type), '{}') from artifacts
where owner_id = %(owner)s and id = any(%(ids)s) and role <> 'preview'
"""

_ARTICLES = {
    "image": "a picture", "audio": "a sound", "video": "a film", "text": "a text",
    "table": "a table (CSV, JSONL or text)", "archive": "a zip",
}  # fmt: skip


class Inputs:
    """The owner's artifacts as far as they were asked for: each is looked up once, however many jobs name it."""

    def __init__(self, db: Database, owner_id: str) -> None:
        self._db, self._owner_id = db, owner_id
        self._types: dict[str, str | None] = {}

    def check(self, params: Params) -> None:
        """Raises Invalid, with the field, where the owner has no such artifact or it is of another medium."""
        declared = type(params).input_media()
        named = {field: {ref} for field in declared if (ref := getattr(params, field)) is not None}
        self.check_named(named, declared)

    def check_named(self, named: Mapping[str, Collection[str]], declared: Mapping[str, tuple[Media, ...]]) -> None:
        """The same of the artifacts that each field names."""
        self._look_up({ref for refs in named.values() for ref in refs})
        for field, refs in named.items():
            for ref in sorted(refs):
                self._check(field, self._types[ref], declared[field])

    def _check(self, field: str, media_type: str | None, media: tuple[Media, ...]) -> None:
        if media_type is None:
            raise Invalid("There is no such file, or it was deleted.", code="unknown_input", field=field)
        if not fits(media_type, media):
            wanted = " or ".join(_ARTICLES[each] for each in media)
            raise Invalid(f"This must be {wanted}; the file is {media_type}.", code="wrong_medium", field=field)

    def _look_up(self, refs: set[str]) -> None:
        missing = sorted(refs - self._types.keys())
        if missing:
            row = self._db.one(_TYPES, {"owner": self._owner_id, "ids": missing})
            found: dict[str, str] = row[0] if row else {}
            self._types |= {ref: found.get(ref) for ref in missing}


def fits(media_type: str, media: Collection[str]) -> bool:
    """Whether a file of this type is of one of these media."""
    plain = media_type.partition(";")[0].strip()
    if plain == ARCHIVE:
        return "archive" in media
    return plain.partition("/")[0] in media or ("table" in media and plain in TABLES)
