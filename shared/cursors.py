"""Cursors of paged lists: where the next page begins. Most are the id of the last thing on the page before."""

from shared.errors import Invalid
from shared.ids import is_id


def check(cursor: str | None) -> None:
    """Raises Invalid where an id was to come back as a cursor, and something else did."""
    if cursor is not None and not is_id(cursor):
        raise foreign()


def foreign() -> Invalid:
    """What is said of a cursor that no page of ours gave."""
    return Invalid("This cursor is not one of ours; take it from the last page's `next`.", field="cursor")
