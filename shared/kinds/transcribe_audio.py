"""Params of `transcribe_audio`."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from shared.kinds.params import SOME_FILE, InputRef, ModelRef, Output, Params, Preset, ui


class TranscribeAudio(Params):
    """Writes down what is said in a recording or a video."""

    title: ClassVar[str] = "Transcript"
    summary: ClassVar[str] = "Writes down what is said in a recording or a video, with times, and makes subtitles."
    icon: ClassVar[str] = "captions"
    output: ClassVar[Output] = "text"
    time_limit_s: ClassVar[float] = 4 * 3600
    examples: ClassVar[list[dict[str, Any]]] = [
        {"source": SOME_FILE},
        {"source": SOME_FILE, "language": "en", "subtitles": "none"},
    ]
    presets: ClassVar[list[Preset]] = [
        Preset("Transcript and subtitles", {"source": SOME_FILE}),
        Preset("Text alone", {"source": SOME_FILE, "subtitles": "none"}),
        Preset("Subtitles in the video", {"source": SOME_FILE, "subtitles": "burnt_in"}),
    ]

    model: Annotated[str, ModelRef("automatic-speech-recognition")] = "whisper-tiny-en"
    source: Annotated[
        str,
        InputRef("audio", "video", title="Recording", description="Speech to write down, or a video with its sound."),
    ]
    language: Annotated[
        str | None,
        Field(
            title="Language",
            description="What is spoken, as a code such as en, de or zh. Empty lets the model find out.",
            pattern=r"^[a-z]{2,3}$",
            json_schema_extra=ui("text", advanced=True, placeholder="Found out"),
        ),
    ] = None
    task: Annotated[
        Literal["transcribe", "translate"],
        Field(
            title="Write",
            description="Transcribe writes the language that is spoken; translate writes English.",
            json_schema_extra=ui("segment", advanced=True),
        ),
    ] = "transcribe"
    subtitles: Annotated[
        Literal["none", "beside", "burnt_in"],
        Field(
            title="Subtitles",
            description="Beside gives SRT and WebVTT files; burnt in draws the sentences into the video as well.",
            json_schema_extra=ui("segment", titles={"none": "None", "beside": "Beside", "burnt_in": "Burnt in"}),
        ),
    ] = "beside"
    onto: Annotated[
        str | None,
        InputRef(
            "video",
            title="Onto",
            description="A video that gets the sound and subtitles; a shorter one starts again until the sound ends.",
            advanced=True,
        ),
    ] = None

    @model_validator(mode="after")
    def _drawn(self) -> Self:
        if self.onto and self.subtitles != "burnt_in":
            raise ValueError("A video to draw onto needs subtitles that are burnt in.")
        return self
