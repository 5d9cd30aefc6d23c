"""The starting points that kinds offer: each works as it is, with the models that every installation has."""

import pytest

from shared import kinds
from shared.starters import STARTERS
from tests.kinds.shipped import SHIPPED

TASKS = {starter.name: starter.task for starter in STARTERS}


@pytest.mark.parametrize("kind", SHIPPED)
def test_every_preset_is_valid_and_names_starter_models(kind: str) -> None:
    cls = kinds.params_class(kind)
    assert 3 <= len(cls.presets) <= 6
    for preset in cls.presets:
        params = kinds.validate(kind, preset.params)
        assert preset.title[0].isupper()
        for field, task in cls.model_tasks().items():
            model = getattr(params, field)
            assert model is None or TASKS[model] == task, preset.title


@pytest.mark.parametrize("kind", SHIPPED)
def test_presets_differ_in_title_and_params(kind: str) -> None:
    presets = kinds.params_class(kind).presets
    assert len({preset.title for preset in presets}) == len(presets)
    assert len({str(sorted(preset.params.items(), key=str)) for preset in presets}) == len(presets)


def test_the_schema_carries_them() -> None:
    found = kinds.schema("generate_image")["x-presets"]
    assert {"title": "One picture", "params": {"prompt": "a red car"}} in found


@pytest.mark.parametrize("kind", SHIPPED)
def test_smaller_settings_are_valid_and_really_less(kind: str) -> None:
    """Again and again until there is nothing left to lower: each is valid, and it ends."""
    for example in kinds.params_class(kind).examples:
        given = dict(example)
        for _ in range(20):
            less = kinds.validate(kind, given).smaller()
            assert all(given.get(name) != value for name, value in less.items())
            if not less:
                break
            given |= less
        else:
            pytest.fail(f"{kind} never stops asking for less")


def test_a_large_picture_is_halved() -> None:
    params = kinds.validate("generate_image", {"prompt": "a", "width": 2048, "height": 1032, "images": 4})
    assert params.smaller() == {"width": 1024, "height": 512, "images": 1, "upscale": 1}
