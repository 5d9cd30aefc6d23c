"""Workflows to start from: written out in the field of a new one, to be changed there."""

import json
from dataclasses import dataclass
from typing import Any

from shared import kinds
from web.pages.translation import _


@dataclass(frozen=True)
class Start:
    """One of them: how an address calls it, its words, and what it asks for."""

    name: str
    title: str
    asked: dict[str, Any]

    @property
    def text(self) -> str:
        """As it is written."""
        return written(self.asked)


def starts() -> list[Start]:
    """Those whose kinds, with the settings that they use, this installation has."""
    every = [
        Start("picture", _("A text, and a picture of it"), _PICTURE),
        Start("variation", _("A picture, and a larger variation of it"), _VARIATION),
        Start("film", _("A film with a voice and subtitles"), _FILM),
        Start("voice", _("A text, read aloud"), _VOICE),
    ]
    return [each for each in every if all(_known(step) for step in each.asked["steps"])][:3]


def written(asked: dict[str, Any]) -> str:
    """A request as people write it: a line for each setting, and placeholders on one line."""
    steps = ",\n".join(_step(step) for step in asked["steps"])
    title = f'  "title": {_json(asked["title"])},\n' if asked.get("title") else ""
    return f'{{\n{title}  "steps": [\n{steps}\n  ]\n}}'


def _step(step: dict[str, Any]) -> str:
    head = ", ".join(f"{_json(name)}: {_json(value)}" for name, value in step.items() if name != "params")
    params = ",\n".join(f"        {_json(name)}: {_json(value)}" for name, value in step["params"].items())
    return f'    {{{head},\n      "params": {{\n{params}\n      }}}}'


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _known(step: dict[str, Any]) -> bool:
    kind = step["kind"]
    return kind in kinds.names() and step["params"].keys() <= kinds.params_class(kind).model_fields.keys()


_WRITE = {
    "name": "write",
    "kind": "generate_text",
    "params": {"prompt": "Describe a friendly animal in one short sentence.", "max_new_tokens": 40},
}
_READ = {"name": "read", "kind": "generate_speech", "params": {"text": {"from": "write"}}}
_PICTURE = {
    "title": "A text, and a picture of it",
    "steps": [
        {
            "name": "write",
            "kind": "generate_text",
            # Shown how, even a small model answers with a word.
            "params": {
                "messages": [
                    {"role": "user", "content": "Name one fruit."},
                    {"role": "assistant", "content": "red apple"},
                    {"role": "user", "content": "Another one?"},
                ],
                "max_new_tokens": 6,
                "temperature": 0,
            },
        },
        {"name": "paint", "kind": "generate_image", "params": {"prompt": {"from": "write"}}},
    ],
}
_VOICE = {"title": "A text, read aloud", "steps": [_WRITE, _READ]}
_VARIATION = {
    "title": "A picture, and a larger variation of it",
    "steps": [
        {"name": "draft", "kind": "generate_image", "params": {"prompt": "a red apple", "upscale": 1}},
        {
            "name": "variation",
            "kind": "generate_image",
            "params": {"prompt": "a green apple", "image": {"from": "draft"}, "strength": 0.7, "upscale": 4},
        },
    ],
}
_FILM = {
    "title": "A film with a voice and subtitles",
    "steps": [
        {
            "name": "write",
            "kind": "generate_text",
            "params": {"prompt": "Describe a red apple in one short sentence.", "max_new_tokens": 40},
        },
        _READ,
        {
            "name": "move",
            "kind": "generate_video",
            "params": {"prompt": "a red apple", "then": ["a green apple"], "loop": True},
        },
        {
            "name": "join",
            "kind": "transcribe_audio",
            "params": {"source": {"from": "read"}, "onto": {"from": "move"}, "subtitles": "burnt_in"},
        },
    ],
}
