"""What a reader is told who lacks a model: which sort is needed, and one of the hub as an example."""

from flask import url_for

from web.pages.models import task_word
from web.pages.translation import _

_OF_THE_HUB = {
    "text-generation": "HuggingFaceTB/SmolLM2-360M-Instruct",
    "text2text-generation": "google/flan-t5-small",
    "text-classification": "distilbert/distilbert-base-uncased-finetuned-sst-2-english",
    "token-classification": "dslim/bert-base-NER",
    "feature-extraction": "sentence-transformers/all-MiniLM-L6-v2",
    "text-to-image": "stabilityai/sd-turbo",
    "image-to-text": "HuggingFaceTB/SmolVLM-256M-Instruct",
    "controlnet": "lllyasviel/sd-controlnet-canny",
    "automatic-speech-recognition": "openai/whisper-base",
}
"""A small one for each task, with its weights as safetensors."""


def needed(task: str) -> str:
    """The sentence that names the sort of model that is not there."""
    return _("This needs a model for “%(task)s”, and the library has none yet.", task=task_word(task))


def source(task: str) -> str:
    """A source that the form of a new model takes; empty where none is known."""
    return f"hub:{_OF_THE_HUB[task]}" if task in _OF_THE_HUB else ""


def add_address(task: str) -> str:
    """The form of a new model for this task."""
    return url_for("all_models.ask", task=task)
