"""`generate_image` steered by pictures and adapters: what is saved is what the bare library paints."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image

from shared import kinds
from shared.errors import Cancelled, Invalid, JobError
from tests.engines.library import Library
from tests.kinds.context import FakeContext, run
from tests.kinds.pictures import give, half_mask, image_of, pixels_of, scene
from worker.engines import adapters

Context = Callable[..., FakeContext]
SMALL = {"prompt": "a red apple", "steps": 4, "seed": 3}
SIZED = {"width": 32, "height": 32}
CLASSES = {"tiny-sd": "StableDiffusion", "tiny-sdxl": "StableDiffusionXL", "tiny-sd3": "StableDiffusion3",
           "tiny-flux": "Flux"}  # fmt: skip
FAMILIES = list(CLASSES)
SCENE, MASK = scene(32, 32), half_mask(32, 32)


def bare_pipe(library: Library, name: str, cls: str, controlnet: str = "") -> Any:
    """The library's own pipeline, freshly loaded."""
    index = json.loads((library[name].folder / "model_index.json").read_text())
    parts: dict[str, Any] = {part: None for part, value in index.items() if value == [None, None]}
    if controlnet:
        prefix = {"StableDiffusion3": "SD3", "Flux": "Flux"}.get(CLASSES[name], "")
        net = getattr(diffusers, f"{prefix}ControlNetModel")
        parts["controlnet"] = net.from_pretrained(library[controlnet].folder)
    pipe = getattr(diffusers, cls).from_pretrained(library[name].folder, use_safetensors=True, **parts)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def paint(pipe: Any, **settings: Any) -> np.ndarray:
    """The pixels of what it paints with seed 3."""
    words = {} if "class_labels" in settings else {"prompt": "a red apple"}
    with torch.inference_mode():
        made = pipe(**words, num_inference_steps=4, generator=[torch.Generator().manual_seed(3)], **settings)
    return np.asarray(made.images[0]).astype(int)


def bare(library: Library, name: str, cls: str, *, controlnet: str = "", **settings: Any) -> np.ndarray:
    """The pixels of what the bare library paints."""
    return paint(bare_pipe(library, name, cls, controlnet), **settings)


def same(ctx: FakeContext, expected: np.ndarray) -> None:
    assert np.array_equal(pixels_of(ctx.outputs[0]), expected)


@pytest.mark.parametrize(
    ("model", "cls"),
    [*((name, f"{cls}Pipeline") for name, cls in CLASSES.items()), ("tiny-pixart", "PixArtAlphaPipeline"),
     ("tiny-pixart-sigma", "PixArtSigmaPipeline")],
)  # fmt: skip
def test_a_prompt_gives_what_the_bare_pipeline_gives(context: Context, library: Library, model: str, cls: str):
    plain = {"use_resolution_binning": False, "clean_caption": False} if "PixArt" in cls else {}
    ctx = run("generate_image", context(), **SMALL, **SIZED, model=model)
    same(ctx, bare(library, model, cls, **SIZED, **plain))


@pytest.mark.parametrize("model", FAMILIES)
def test_a_picture_to_start_from_gives_what_the_bare_pipeline_gives(context: Context, library: Library, model: str):
    # given a picture
    ctx = context()
    # when it is painted on from there
    run("generate_image", ctx, **SMALL, model=model, image=give(ctx, SCENE), strength=0.5)
    # then the pixels are the bare pipeline's, and only half of the steps were needed
    cls = f"{CLASSES[model]}Img2ImgPipeline"
    sized = SIZED if model in {"tiny-sd3", "tiny-flux"} else {}
    same(ctx, bare(library, model, cls, image=SCENE, strength=0.5, **sized))
    assert ctx.steps[-1][:2] == (2, 2)


@pytest.mark.parametrize("model", FAMILIES)
def test_a_mask_is_painted_over_and_the_rest_stays(context: Context, library: Library, model: str):
    # when the right half is painted anew
    ctx = context()
    run("generate_image", ctx, **SMALL, model=model, image=give(ctx, SCENE), mask=give(ctx, MASK), strength=0.8)
    # then there the pixels are the bare pipeline's, and elsewhere the picture's
    cls = f"{CLASSES[model]}InpaintPipeline"
    painted = bare(library, model, cls, image=SCENE, mask_image=MASK, strength=0.8, **SIZED)
    anew = np.asarray(MASK)[..., None] > 0
    same(ctx, np.where(anew, painted, np.asarray(SCENE)))
    assert np.abs(painted - np.asarray(SCENE))[:, 16:].max() > 8


def test_a_mask_serves_a_family_without_a_pipeline_for_it(context: Context):
    # given a model of eight latent channels, which the library's inpainting refuses
    def job(**more: Any) -> np.ndarray:
        ctx = context()
        refs = {"image": give(ctx, SCENE), "mask": give(ctx, MASK)}
        run("generate_image", ctx, **SMALL | more, model="tiny-sd-wide", **refs)
        return np.stack([pixels_of(saved) for saved in ctx.outputs])

    # when the right half is painted anew, alone and with a batch mate
    alone, together = job(strength=0.75), job(strength=0.75, images=2)
    # then the left half is the picture's, the right is not, and the mate changes nothing
    scene_pixels = np.asarray(SCENE).astype(int)
    assert np.array_equal(alone[0][:, :16], scene_pixels[:, :16])
    assert np.abs(alone[0] - scene_pixels)[:, 16:].max() > 8
    assert np.abs(together[0] - alone[0]).max() <= 2


@pytest.mark.parametrize("model", FAMILIES)
def test_a_controlnet_is_followed(context: Context, library: Library, model: str):
    # when a job follows a control picture
    net = model.replace("tiny-", "tiny-control-")
    ctx = context()
    followed = give(ctx, MASK.convert("RGB"))
    run("generate_image", ctx, **SMALL, model=model, controlnet=net, control_image=followed, control_scale=0.7)
    # then the pixels are the bare pipeline's, and not those of a job that follows nothing
    picture = "image" if model in {"tiny-sd", "tiny-sdxl"} else "control_image"
    given = {picture: MASK.convert("RGB"), "controlnet_conditioning_scale": 0.7}
    same(ctx, bare(library, model, f"{CLASSES[model]}ControlNetPipeline", controlnet=net, **SIZED, **given))
    free = run_plain(context, model)
    # (what steers SD3 goes between its layers, and the tiny one has a single layer)
    assert model == "tiny-sd3" or np.abs(pixels_of(ctx.outputs[0]) - pixels_of(free.outputs[0])).max() > 2


def test_a_controlnet_and_a_picture_go_together(context: Context, library: Library):
    ctx = context()
    run(
        "generate_image", ctx, **SMALL, model="tiny-sd", image=give(ctx, SCENE), strength=0.5,
        controlnet="tiny-control-sd", control_image=give(ctx, MASK.convert("RGB")),
    )  # fmt: skip
    same(
        ctx,
        bare(
            library, "tiny-sd", "StableDiffusionControlNetImg2ImgPipeline", controlnet="tiny-control-sd", image=SCENE,
            control_image=MASK.convert("RGB"), strength=0.5, controlnet_conditioning_scale=1.0, **SIZED,
        ),
    )  # fmt: skip


@pytest.mark.parametrize("model", FAMILIES)
def test_adapters_come_and_go_without_a_trace(context: Context, library: Library, model: str):
    # given the picture of the model alone
    plain = run("generate_image", context(), **SMALL, **SIZED, model=model).outputs[0].data
    # when a job uses an adapter, and another uses none
    lora = model.replace("tiny-", "tiny-lora-")
    with_it = run("generate_image", context(), **SMALL, **SIZED, model=model, adapters=[{"model": lora, "weight": 0.5}])
    after = run("generate_image", context(), **SMALL, **SIZED, model=model).outputs[0].data
    # then the first is what the bare library paints with it, and the second the model's own to the byte
    pipe = bare_pipe(library, model, f"{CLASSES[model]}Pipeline")
    pipe.load_lora_weights(library[lora].folder, adapter_name="x")
    pipe.set_adapters("x", 0.5)
    same(with_it, paint(pipe, **SIZED))
    assert np.abs(pixels_of(with_it.outputs[0]) - pixels_of(run_plain(context, model).outputs[0])).max() > 2
    assert after == plain


def run_plain(context: Context, model: str) -> FakeContext:
    return run("generate_image", context(), **SMALL, **SIZED, model=model)


@pytest.mark.filterwarnings("ignore:Already found a `peft_config`")  # the bare library says so
def test_several_adapters_are_weighted_and_swapped(context: Context, library: Library):
    # given two adapters
    both = [{"model": "tiny-lora-sd", "weight": 0.8}, {"model": "tiny-lora-sd-conv", "weight": -0.5}]
    # when they are used together, one alone, and together again
    first, one, again = (
        run("generate_image", context(), **SMALL, **SIZED, model="tiny-sd", adapters=chosen)
        for chosen in (both, both[:1], both)
    )
    # then they repeat to the byte, and differ from one alone
    assert first.outputs[0].data == again.outputs[0].data
    assert not np.array_equal(pixels_of(first.outputs[0]), pixels_of(one.outputs[0]))
    # and the bare library agrees
    pipe = bare_pipe(library, "tiny-sd", "StableDiffusionPipeline")
    for name in ("tiny-lora-sd", "tiny-lora-sd-conv"):
        pipe.load_lora_weights(library[name].folder, adapter_name=name)
    pipe.set_adapters(["tiny-lora-sd", "tiny-lora-sd-conv"], [0.8, -0.5])
    same(first, paint(pipe, **SIZED))


def test_a_job_cancelled_with_an_adapter_leaves_none_behind(context: Context):
    plain = run_plain(context, "tiny-sd").outputs[0].data
    ctx = context(cancel_at=2)
    with pytest.raises(Cancelled):
        run("generate_image", ctx, **SMALL, **SIZED, model="tiny-sd", adapters=[{"model": "tiny-lora-sd"}])
    assert ctx.steps[-1][0] == 2
    assert run_plain(context, "tiny-sd").outputs[0].data == plain


def test_a_weight_of_nothing_is_the_model_alone(context: Context):
    plain = run_plain(context, "tiny-sd")
    none = run("generate_image", context(), **SMALL, **SIZED, model="tiny-sd",
               adapters=[{"model": "tiny-lora-sd", "weight": 0}])  # fmt: skip
    assert np.array_equal(pixels_of(none.outputs[0]), pixels_of(plain.outputs[0]))


def test_few_adapters_stay_loaded(context: Context, monkeypatch: pytest.MonkeyPatch):
    # given room for one adapter
    monkeypatch.setattr(adapters, "KEPT", 1)
    # when two take turns, then each is loaded anew and paints as before
    made = [
        run("generate_image", context(), **SMALL, **SIZED, model="tiny-sd", adapters=[{"model": name}]).outputs[0].data
        for name in ("tiny-lora-sd", "tiny-lora-sd-conv", "tiny-lora-sd", "tiny-lora-sd-conv")
    ]
    assert made[:2] == made[2:]
    assert made[0] != made[1]


@pytest.mark.parametrize(
    ("model", "adapter", "base", "sentence"),
    [
        ("tiny-sd", "tiny-lora-sdxl", None, "does not fit the model “tiny-sd”"),
        ("tiny-sd", "tiny-lora-flux", None, "does not fit the model “tiny-sd”"),
        ("tiny-sd", "tiny-lora-sd", "another", "is for “another”, not for “tiny-sd”"),
        ("tiny-sd", "tiny-control-sd", None, "not for image-adapter"),
        ("tiny-dit", "tiny-lora-sd", None, "takes no adapters"),
    ],
)
def test_an_adapter_that_does_not_fit_is_told(
    context: Context, model: str, adapter: str, base: str | None, sentence: str
):
    ctx = context()
    ctx.models = dict(ctx.models) | {adapter: replace(ctx.models[adapter], base=base)}
    plain = run("generate_image", context(), model="tiny-sd", **SMALL, **SIZED).outputs[0].data
    with pytest.raises(JobError, match=sentence):
        run("generate_image", ctx, **SMALL | {"prompt": "1"}, **SIZED, model=model, adapters=[{"model": adapter}])
    assert run("generate_image", context(), model="tiny-sd", **SMALL, **SIZED).outputs[0].data == plain


def test_a_reference_picture_is_taken_up_and_forgotten(context: Context, library: Library):
    # given the picture of the model alone
    plain = run_plain(context, "tiny-sd").outputs[0].data
    # when a job refers to a picture, twice, and another to none
    jobs = []
    for _ in range(2):
        ctx = context()
        jobs.append(ctx)
        run("generate_image", ctx, **SMALL, **SIZED, model="tiny-sd", reference=give(ctx, SCENE),
            reference_model="tiny-ip-adapter", reference_scale=0.9)  # fmt: skip
    # then the library itself paints the same, and the last job knows nothing of it
    pipe = bare_pipe(library, "tiny-sd", "StableDiffusionPipeline")
    pipe.load_ip_adapter(library["tiny-ip-adapter"].folder, subfolder="", weight_name="ip-adapter.safetensors",
                         image_encoder_folder="image_encoder")  # fmt: skip
    pipe.set_ip_adapter_scale(0.9)
    same(jobs[0], paint(pipe, **SIZED, ip_adapter_image=SCENE))
    assert jobs[0].outputs[0].data != plain
    assert np.array_equal(pixels_of(jobs[0].outputs[0]), pixels_of(jobs[1].outputs[0]))
    assert run_plain(context, "tiny-sd").outputs[0].data == plain


def test_a_reference_needs_a_family_that_takes_one(context: Context):
    ctx = context()
    with pytest.raises(JobError, match="take no reference picture"):
        run("generate_image", ctx, **SMALL, **SIZED, model="tiny-flux", reference=give(ctx, SCENE),
            reference_model="tiny-ip-adapter")  # fmt: skip


@pytest.mark.parametrize(
    "steered", ["image", "mask", "control"],
)  # fmt: skip
@pytest.mark.parametrize("model", FAMILIES)
def test_batch_mates_change_nothing_that_one_could_see(context: Context, model: str, steered: str):
    def job(**more: Any) -> FakeContext:
        ctx = context()
        given: dict[str, Any] = {"image": give(ctx, SCENE)} if steered != "control" else {
            "controlnet": model.replace("tiny-", "tiny-control-"), "control_image": give(ctx, SCENE)}  # fmt: skip
        if steered == "mask":
            given["mask"] = give(ctx, MASK)
        return run("generate_image", ctx, **SMALL | more, **SIZED, model=model, **given)

    together = job(images=2)
    for saved, seed in zip(together.outputs, (3, 4), strict=True):
        assert np.abs(pixels_of(saved) - pixels_of(job(seed=seed).outputs[0])).max() <= 2


@pytest.mark.parametrize("model", [*FAMILIES, "tiny-pixart", "tiny-dit"])
def test_cancel_comes_within_one_step(context: Context, model: str):
    ctx = context(cancel_at=2)
    given = {} if model in {"tiny-pixart", "tiny-dit"} else {"image": give(ctx, SCENE)}
    with pytest.raises(Cancelled):
        run("generate_image", ctx, **SMALL | {"steps": 50, "prompt": "1"}, model=model, **given)
    assert ctx.steps[-1][0] == 2
    assert ctx.saved == []


@pytest.mark.parametrize("prompt", ["goldfish", " Goldfish ", "1"])
def test_a_model_of_classes_takes_a_name_or_a_number(context: Context, library: Library, prompt: str):
    ctx = run("generate_image", context(), **SMALL | {"prompt": prompt}, model="tiny-dit", guidance=3.0)
    same(ctx, bare(library, "tiny-dit", "DiTPipeline", class_labels=[1], guidance_scale=3.0))


def test_pictures_of_a_class_are_what_single_jobs_would_paint(context: Context):
    together = run("generate_image", context(), **SMALL | {"prompt": "tench"}, model="tiny-dit", images=2)
    for saved in together.outputs:
        alone = run(
            "generate_image", context(), **SMALL | {"prompt": "0", "seed": saved.meta["seed"]}, model="tiny-dit"
        )
        assert np.abs(pixels_of(saved) - pixels_of(alone.outputs[0])).max() <= 2


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"prompt": "gold fish"}, "no class “gold fish”. It knows: goldfish"),
        ({"prompt": "1000"}, "no class “1000”"),
        ({"prompt": "1", "width": 64, "height": 64}, "paints 32 × 32 pixels only"),
        ({"prompt": "1", "negative_prompt": "x"}, "takes no “Avoid” text"),
    ],
)
def test_what_a_model_of_classes_does_not_take_is_told(context: Context, settings: dict, sentence: str):
    with pytest.raises(JobError, match=sentence):
        run("generate_image", context(), **SMALL | settings, model="tiny-dit")


@pytest.mark.parametrize(
    ("model", "given", "sentence"),
    [
        ("tiny-pixart", {"image": SCENE}, "cannot start from a picture"),
        ("tiny-pixart", {"image": SCENE, "mask": MASK}, "cannot paint over a part"),
        ("tiny-sd3", {"image": SCENE, "control_image": SCENE, "controlnet": "tiny-control-sd3"}, "and follow another"),
        ("tiny-sd", {"control_image": SCENE, "controlnet": "tiny-control-sdxl"}, "another family"),
        ("tiny-sd", {"control_image": SCENE, "controlnet": "tiny-control-flux"}, "another family"),
        ("tiny-sd", {"control_image": SCENE, "controlnet": "tiny-sdxl"}, "not for controlnet"),
        ("tiny-sd", {"image": SCENE, "strength": 0.1}, "changes nothing"),
        ("tiny-sd", {"reference": SCENE, "reference_model": "tiny-lora-sd"}, "not an IP-Adapter"),
        ("tiny-sdxl", {"reference": SCENE, "reference_model": "tiny-ip-adapter"}, "does not fit"),
    ],
)
def test_what_a_family_cannot_do_is_told(context: Context, model: str, given: dict, sentence: str):
    ctx = context()
    refs = {name: give(ctx, value) if isinstance(value, Image.Image) else value for name, value in given.items()}
    with pytest.raises(JobError, match=sentence):
        run("generate_image", ctx, **SMALL, model=model, **refs)
    run_plain(context, model)


def test_a_file_that_is_no_picture_is_told(context: Context):
    ctx = context()
    (ctx.workdir / "x.png").write_bytes(b"GIF89a nonsense")
    with pytest.raises(JobError) as caught:
        run("generate_image", ctx, **SMALL, model="tiny-sd", image=ctx.give(ctx.workdir / "x.png", "image/png"))
    assert (caught.value.code, caught.value.field) == ("bad_input", "image")


def test_the_size_is_the_pictures_own_upright_and_not_beyond_the_models(context: Context):
    # given a picture that was held sideways: 24 wide and 96 high once it is upright
    turned = Image.Exif()
    turned[0x0112] = 6
    ctx = context()
    ref = give(ctx, scene(96, 24), exif=turned)
    # when a model of 32 pixels starts from it
    run("generate_image", ctx, **SMALL, model="tiny-sd", image=ref)
    run("generate_image", ctx, **SMALL, **SIZED, model="tiny-sd", image=ref)
    # then the longer side is the model's, unless the job says otherwise
    assert [image_of(saved).size for saved in ctx.outputs] == [(8, 32), (32, 32)]


def test_the_picture_says_what_steered_it(context: Context):
    # when everything is used at once
    ctx = context()
    refs = {"image": give(ctx, SCENE), "control_image": give(ctx, MASK), "reference": give(ctx, SCENE)}
    run(
        "generate_image", ctx, **SMALL, model="tiny-sd", strength=0.75, controlnet="tiny-control-sd", **refs,
        adapters=[{"model": "tiny-lora-sd", "weight": 0.8}], reference_model="tiny-ip-adapter", guidance=4,
    )  # fmt: skip
    texts = image_of(ctx.outputs[0]).text
    # then image tools can read it, and so can we
    assert texts["parameters"] == (
        "a red apple <lora:tiny-lora-sd:0.8>\n"
        "Steps: 4, Sampler: Default, CFG scale: 4.0, Seed: 3, Size: 32x32, Model: tiny-sd, Denoising strength: 0.75, "
        'ControlNet 0: "Module: None, Model: tiny-control-sd, Weight: 1", '
        'ControlNet 1: "Module: ip-adapter, Model: tiny-ip-adapter, Weight: 0.6", Version: Atelier'
    )
    record = json.loads(texts["atelier"])
    assert record.items() >= refs.items()
    assert record["adapters"] == [{"model": "tiny-lora-sd", "weight": 0.8}]
    assert (record["strength"], record["control_scale"], record["reference_scale"]) == (0.75, 1.0, 0.6)


@pytest.mark.quality
def test_the_emoji_starter_repaints_a_car_in_another_colour(context: Context):
    # given a red car
    words = {"seed": 1, "upscale": 1}
    car = image_of(run("generate_image", context(), prompt="a red car", **words).outputs[0]).convert("RGB")
    # when the starter goes on from it to a blue one, and paints its upper half alone
    ctx = context()
    given = give(ctx, car)
    run("generate_image", ctx, prompt="a blue car", image=given, **words)
    upper = give(ctx, half_mask(64, 64).transpose(Image.Transpose.ROTATE_90))
    run("generate_image", ctx, prompt="a blue car", image=given, mask=upper, strength=0.9, **words)
    # then the shape is the same one, in blue, and the lower half of the other is as it was
    red, blue, mixed = (np.asarray(picture).astype(int) for picture in (car, *map(image_of, ctx.outputs)))
    shape, again = (pixels.min(-1) < 160 for pixels in (red, blue))
    assert (shape & again).sum() / (shape | again).sum() > 0.8
    assert red[shape, 0].mean() > red[shape, 2].mean() + 50
    assert blue[shape, 2].mean() > blue[shape, 0].mean() + 30
    assert np.array_equal(mixed[32:], red[32:])
    upper_shape = shape[:32]
    assert mixed[:32][upper_shape, 2].mean() > mixed[:32][upper_shape, 0].mean()


REF = "art_" + "0" * 26


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"mask": REF}, "needs the picture"),
        ({"control_image": REF}, "go together"),
        ({"controlnet": "x"}, "go together"),
        ({"reference": REF}, "go together"),
        ({"adapters": [{"model": "a"}, {"model": "a"}]}, "once"),
        ({"adapters": [{"model": "a", "weight": 5}]}, "4 or less"),
        ({"adapters": [{"model": str(number)} for number in range(9)]}, "8"),
        ({"image": "../etc"}, "."),
        ({"image": REF, "strength": 0}, "more than 0"),
    ],
)
def test_params_that_do_not_go_together_are_told(settings: dict, sentence: str):
    with pytest.raises(Invalid, match=sentence):
        kinds.validate("generate_image", {"prompt": "a"} | settings)
