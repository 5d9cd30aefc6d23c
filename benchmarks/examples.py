"""What `make gallery` makes: one job for everything that the starter models can do."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Example:
    """One job: what is asked for, and which inputs are outputs of earlier examples, as `{field: (name, index)}`."""

    name: str
    kind: str
    params: dict[str, Any]
    says: str
    inputs: dict[str, tuple[str, int]] = field(default_factory=dict)


_SAID = "The workshop is open from nine to five. Every job waits its turn, and none is lost. On Sundays it is closed."
_NEWS = (
    "The town council of Riverton met on Monday evening to discuss the old bridge. Engineers had found rust in two of "
    "its pillars, and lorries have had to take another way since March. After three hours the council decided to "
    "repair the bridge instead of building a new one. The work will cost four million euros and begin in May."
)

_WRITING = (
    Example(
        "text",
        "generate_text",
        {"prompt": "Write a short poem about the sea at night.", "max_new_tokens": 150, "seed": 7},
        "A poem.",
    ),
    Example(
        "code",
        "generate_code",
        {"prompt": "Write a Python function that returns the sum of two numbers.", "max_new_tokens": 120, "seed": 1},
        "Python that parses.",
    ),
    Example(
        "summary",
        "transform_text",
        {"task": "summarise", "text": _NEWS, "length": "long", "temperature": 0, "repetition_penalty": 1.0},
        "A news item, made short.",
    ),
)

_READING = (
    Example(
        "labels",
        "classify_text",
        {"texts": ["Great sound, and the battery lasts for days.", "It broke after one week."], "form": "csv"},
        "Reviews, told apart.",
    ),
    Example(
        "names",
        "tag_entities",
        {"texts": ["Anna Keller of the University of Basel met the mayor of Geneva on Monday."], "form": "csv"},
        "The names in a sentence, and where they stand.",
    ),
    Example(
        "vectors",
        "embed_text",
        {"texts": ["The bridge is old.", "The crossing has stood for ages.", "I like apples."]},
        "Vectors of three sentences: the first two lie near each other.",
    ),
)

_PICTURES = (
    Example(
        "image",
        "generate_image",
        {"prompt": "red apple", "images": 4, "seed": 1},
        "Four pictures of one prompt, enlarged as the model's own settings have it.",
    ),
    Example(
        "small",
        "generate_image",
        {"prompt": "red apple", "seed": 1, "upscale": 1},
        "The first of them as it was painted.",
    ),
    Example(
        "changed",
        "generate_image",
        {"prompt": "a green apple", "strength": 0.7, "seed": 3},
        "A picture changed after other words.",
        {"image": ("image", 0)},
    ),
    Example(
        "stencil",
        "sample_image",
        {"model": "digit-vae", "label": "zero", "images": 1, "seed": 4},
        "A digit by a VAE. It is a mask in the next job.",
    ),
    Example(
        "masked",
        "generate_image",
        {"prompt": "a blue circle", "strength": 0.9, "seed": 5},
        "Painted anew where the digit is white.",
        {"image": ("image", 0), "mask": ("stencil", 0)},
    ),
    Example(
        "marked",
        "generate_image",
        {"prompt": "smiling face", "seed": 2, "visible_mark": True},
        "A picture that says in itself that it was made by AI.",
    ),
    Example("gan", "sample_image", {"model": "digit-gan", "images": 4, "seed": 1}, "Four digits by a GAN."),
    Example(
        "diffused",
        "sample_image",
        {"model": "digit-ddpm", "label": "four", "images": 4, "seed": 2},
        "Fours by diffusion.",
    ),
    Example(
        "between",
        "sample_image",
        {"model": "digit-vae", "label": "three", "seed": 1, "interpolate_to": 6, "frames": 10, "as_clip": True},
        "From one seed to another, as a strip and as a clip.",
    ),
)

_SOUND_AND_FILM = (
    Example("speech", "generate_speech", {"text": _SAID, "seed": 3}, "Three sentences, spoken."),
    Example(
        "music",
        "generate_music",
        {"prompt": "a calm piece in F major for strings", "duration": 16, "seed": 2},
        "Sixteen seconds of a chorale, and its notes.",
    ),
    Example(
        "film",
        "generate_video",
        {"prompt": "apple", "then": ["smiling face", "sun"], "loop": True, "frames": 24, "seed": 1},
        "A latent walk: one thing becomes another. An animation by the image model, not a video model's film.",
    ),
    Example(
        "transcript",
        "transcribe_audio",
        {"subtitles": "burnt_in", "language": "en"},
        "What was spoken, written down, and drawn into the film.",
        {"source": ("speech", 0), "onto": ("film", 0)},
    ),
    Example(
        "answer",
        "chat",
        {
            "messages": [{"role": "user", "content": "Is the workshop open on Sundays?"}],
            "max_new_tokens": 18,
            "temperature": 0,
        },
        "A question, answered from the transcript.",
        {"knowledge": ("transcript", 0)},
    ),
)

EXAMPLES = (*_WRITING, *_READING, *_PICTURES, *_SOUND_AND_FILM)
