"""What the API says of kinds."""

from typing import Any

from pydantic import Field

from web.api.bodies import Answer


class KindBody(Answer):
    """A kind of work."""

    name: str
    title: str
    summary: str
    icon: str
    output: str
    pool: str
    fixed: dict[str, bool] = Field(description="Switches that an administrator has fixed; asking otherwise is a 422.")
    params: dict[str, Any] = Field(description="JSON Schema of the params, with `x-ui` hints for forms.")
    examples: list[dict[str, Any]]


class KindsBody(Answer):
    """Every kind."""

    kinds: list[KindBody]
