"""Params of `describe_image`."""

from typing import Annotated, Any, ClassVar

from pydantic import Field

from shared.kinds.language_params import MaxNewTokens, RepetitionPenalty, Temperature, TopK, TopP
from shared.kinds.params import SOME_FILE, Creation, InputRef, ModelRef, Output, Preset, Seed, ui


class DescribeImage(Creation):
    """Says what is in a picture."""

    title: ClassVar[str] = "Description of a picture"
    summary: ClassVar[str] = "Writes a caption for a picture, or answers a question about it."
    icon: ClassVar[str] = "scan-eye"
    output: ClassVar[Output] = "text"
    needs_model: ClassVar[bool] = True
    examples: ClassVar[list[dict[str, Any]]] = [
        {"image": SOME_FILE, "max_new_tokens": 20},
        {"image": SOME_FILE, "question": "How many people are there?", "max_new_tokens": 10},
    ]
    presets: ClassVar[list[Preset]] = [
        Preset("Caption", {"image": SOME_FILE}),
        Preset("What is written there?", {"image": SOME_FILE, "question": "What text is in the picture?"}),
        Preset("Words for a blind reader", {"image": SOME_FILE, "question": "Describe the picture in detail."}),
    ]

    model: Annotated[str | None, ModelRef("image-to-text")] = None
    image: Annotated[
        str, InputRef("image", title="Picture", description="The picture to look at, uploaded or made by a job.")
    ]
    question: Annotated[
        str | None,
        Field(
            title="Question",
            description="What you want to know of the picture; empty asks for a caption.",
            min_length=1,
            max_length=2000,
            json_schema_extra=ui("text", placeholder="A caption"),
        ),
    ] = None
    max_new_tokens: MaxNewTokens = 60
    temperature: Temperature = 0.0
    top_k: TopK = 50
    top_p: TopP = 0.95
    repetition_penalty: RepetitionPenalty = 1.1
    seed: Seed = None

    def headline(self) -> str:
        """The question, or that it is a caption."""
        return self.question or self.title

    def smaller(self) -> dict[str, Any]:
        """An answer half as long."""
        return {"max_new_tokens": self.max_new_tokens // 2} if self.max_new_tokens > 1 else {}
