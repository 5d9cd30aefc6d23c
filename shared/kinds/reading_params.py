"""The fields that kinds share which read many texts: they are given in the form, or as a table."""

from typing import Annotated

from pydantic import Field

from shared.kinds.params import MAX_PROMPT, InputRef, ui

Texts = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=MAX_PROMPT)]] | None,
    Field(
        title="Texts",
        description="One text a line. For many, give a table instead.",
        min_length=1,
        max_length=1000,
        json_schema_extra=ui("lines"),
    ),
]

Table = Annotated[
    str | None,
    InputRef(
        "table",
        "text",
        title="Table",
        description="A file with a text on every line: JSONL, CSV with a header, or plain text.",
    ),
]

Column = Annotated[
    str,
    Field(
        title="Column",
        description="The column of the table, or the field of its JSON lines, that holds the text.",
        min_length=1,
        max_length=100,
        json_schema_extra=ui("text", advanced=True),
    ),
]


def one_source(texts: list[str] | None, table: str | None) -> None:
    """Raises ValueError unless there are texts or a table, and not both."""
    if (texts is None) == (table is None):
        raise ValueError("Give either texts or a table, not both and not neither.")
    if texts is not None and not any(text.strip() for text in texts):
        raise ValueError("All texts are blank. Write something.")
