"""Work of `generate_image`: a prompt in, maybe pictures besides, one or more PNGs out, with previews on the way."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from PIL import Image

from shared.errors import JobError
from shared.kinds.generate_image import MAX_ENLARGED, MAX_PIXELS, GenerateImage
from worker.context import JobContext, Member, Party
from worker.engines.adapters import Adapter, adapted
from worker.engines.canvases import Size, as_mask, fit, open_picture, size_for
from worker.engines.choosing import alike_pictures, choose, sharpness
from worker.engines.diffusion import (
    Painting,
    batches,
    load_pipeline,
    most_at_once,
    own_size,
    paint,
    paint_each,
    pipeline_size,
    size_multiple,
)
from worker.engines.guides import Control, Guides, load_controlnet, variant
from worker.engines.loading import check_task, weights_size
from worker.engines.pictures import parameters_text, save_png
from worker.engines.previews import Preview, shower
from worker.engines.references import ReferenceAdapter, load_reference, referring
from worker.engines.schedulers import TITLES
from worker.engines.upscaling import enlarger

if TYPE_CHECKING:
    from shared.library import ModelSource

_STEPS = 30
_UPSCALER = "realesrgan-anime"
_ADAPTER = "image-adapter"


def run(params: GenerateImage, ctx: JobContext) -> None:
    """Load, paint batch by batch, enlarge, save."""
    ctx.progress(0, None, "Loading the model")
    source = check_task(ctx.model(params.model), "text-to-image")
    key = f"{source.key}#lean" if ctx.lean else source.key
    pipe = ctx.resident(key, lambda: load_pipeline(source, ctx.device, lean=ctx.lean), pipeline_size(source))
    given = {name: _picture(ctx, params, name) for name in ("image", "mask", "control_image", "reference")}
    painting = _painting(params, source.defaults, pipe, given["image"] or given["control_image"])
    guides = _guides(params, given, painting, ctx)
    enlarge = _enlarger(params, painting, source, ctx)
    adapters = [
        Adapter(check_task(ctx.model(chosen.model), _ADAPTER), chosen.weight)
        for chosen in params.adapters
        if chosen.weight
    ]
    seeds = [ctx.seed + number for number in range(params.images)]
    groups = batches(seeds, painting, ctx.device, lean=ctx.lean)
    show = shower(ctx.workdir / "preview.jpg", ctx.save_artifact, wanted=params.previews)
    made: list[tuple[int, Image.Image]] = []

    with adapted(pipe, adapters, source), referring(pipe, _reference(params, ctx), params.reference_scale):
        painter = variant(pipe, guides)
        for number, group in enumerate(groups):

            def on_step(done: int, steps: int, preview: Preview, before: int = number) -> None:
                passed, whole = before * steps + done, len(groups) * steps
                show(preview, passed / whole)
                ctx.progress(passed, whole, f"Step {done} of {steps}")

            for seed, image in zip(group, paint(painter, painting, group, on_step, guides), strict=True):
                if params.keep_best:
                    made.append((seed, image))
                else:
                    _save(enlarge(image), painting, params, source, ctx, seed=seed)

    for seed, image in _best(made, params.keep_best or 0):
        _save(enlarge(image), painting, params, source, ctx, seed=seed)


def run_many(party: Party[GenerateImage]) -> None:
    """Jobs that differ in their words and seeds alone: as many in one batch as fit, then the next."""
    while easels := _gathered(party):
        for _, alike in groupby(sorted(easels, key=_apart), key=_apart):
            _paint_together(party, list(alike))


@dataclass(frozen=True, eq=False)
class _Easel:
    """A job of a party, and what it paints with."""

    member: Member[GenerateImage]
    source: ModelSource
    pipe: Any
    painting: Painting
    made: list[tuple[int, Image.Image]]

    @property
    def seeds(self) -> list[int]:
        return [self.member.ctx.seed + number for number in range(self.member.params.images)]


def _apart(easel: _Easel) -> tuple[int, str]:
    """What keeps two from sharing a batch: their model has changed between them, or its own settings have."""
    painting = easel.painting
    return id(easel.pipe), repr(replace(painting, prompt="", negative_prompt=str(bool(painting.negative_prompt))))


def _gathered(party: Party[GenerateImage]) -> list[_Easel]:
    """A job, and as many more as there is room for in a batch with it."""
    easels: list[_Easel] = []
    room = 1
    while room > 0 and (found := party.turn(room)):
        for member in found:
            with party.minding(member):
                easels.append(_easel(member))
        easels = [each for each in easels if party.has(each.member)]
        if easels:
            room = most_at_once(easels[0].painting, easels[0].member.ctx.device) - sum(len(e.seeds) for e in easels)
    return easels


def _easel(member: Member[GenerateImage]) -> _Easel:
    params, ctx = member.params, member.ctx
    ctx.progress(0, None, "Loading the model")
    source = check_task(ctx.model(params.model), "text-to-image")
    pipe = ctx.resident(source.key, lambda: load_pipeline(source, ctx.device), pipeline_size(source))
    painting = _painting(params, source.defaults, pipe, None)
    return _Easel(member, source, pipe, painting, [])


def _paint_together(party: Party[GenerateImage], easels: list[_Easel]) -> None:
    pictures = [(easel, seed) for easel in easels for seed in easel.seeds]
    groups = batches(pictures, easels[0].painting, easels[0].member.ctx.device)
    for number, group in enumerate(groups):

        def on_step(done: int, steps: int, _: Preview, before: int = number, now: Any = group) -> None:
            party.turn(0)
            for easel in easels:
                if party.has(easel.member):
                    with party.minding(easel.member):
                        easel.member.ctx.progress(before * steps + done, len(groups) * steps, f"Step {done} of {steps}")
            if not any(party.has(easel.member) for easel, _ in now):
                raise _Deserted

        with suppress(_Deserted):
            seeds = [seed for _, seed in group]
            images = paint_each(easels[0].pipe, [easel.painting for easel, _ in group], seeds, on_step)
            for (easel, seed), image in zip(group, images, strict=True):
                easel.made.append((seed, image))
    for easel in easels:
        if party.has(easel.member):
            with party.minding(easel.member):
                _hand_over(easel, at_once=len(groups[0]))
                party.done(easel.member)


class _Deserted(Exception):
    """All whose pictures are in a batch have ended meanwhile."""


def _hand_over(easel: _Easel, *, at_once: int) -> None:
    params, ctx, painting, source = easel.member.params, easel.member.ctx, easel.painting, easel.source
    enlarge = _enlarger(params, painting, source, ctx)
    for seed, image in _best(easel.made, params.keep_best) if params.keep_best else easel.made:
        _save(enlarge(image), painting, params, source, ctx, seed=seed)
    ctx.metric("batch_size", at_once)


def _best(made: list[tuple[int, Image.Image]], keep: int) -> list[tuple[int, Image.Image]]:
    """Of pictures with their seeds the sharpest, no two alike."""
    scores = [sharpness(image) for _, image in made]
    return [made[place] for place in choose(made, scores, keep, lambda one, other: alike_pictures(one[1], other[1]))]


def _picture(ctx: JobContext, params: GenerateImage, name: str) -> Image.Image | None:
    ref = getattr(params, name)
    return open_picture(ctx.input(ref).path, field=name) if ref else None


def _painting(params: GenerateImage, defaults: dict[str, Any], pipe: Any, picture: Image.Image | None) -> Painting:
    """The params, with what they leave open taken from the picture, the model's `atelier.json`, or the pipeline."""
    width, height = own_size(pipe)
    size = Size(defaults.get("width") or width, defaults.get("height") or height)
    if picture is not None:
        size = size_for(picture, longest=max(size.width, size.height), multiple=size_multiple(pipe))
    painting = Painting(
        prompt=params.prompt,
        negative_prompt=params.negative_prompt or defaults.get("negative_prompt"),
        width=params.width or size.width,
        height=params.height or size.height,
        steps=params.steps or defaults.get("steps") or _STEPS,
        guidance=params.guidance if params.guidance is not None else defaults.get("guidance"),
        scheduler=params.scheduler if params.scheduler != "default" else defaults.get("scheduler", "default"),
    )
    if painting.width * painting.height > MAX_PIXELS:
        raise JobError("too_large", "The picture may have 4.2 million pixels at most.", field="width")
    if params.image and int(painting.steps * params.strength) < 1:
        raise JobError(
            "unsupported_setting",
            f"With {painting.steps} steps a strength of {params.strength:g} changes nothing. Raise one of them.",
            field="strength",
        )
    return painting


def _guides(params: GenerateImage, given: dict[str, Image.Image | None], painting: Painting, ctx: JobContext) -> Guides:
    size = Size(painting.width, painting.height)
    image, mask, followed = given["image"], given["mask"], given["control_image"]
    control = None
    if params.controlnet and followed:
        source = check_task(ctx.model(params.controlnet), "controlnet")
        net = ctx.resident(source.key, lambda: load_controlnet(source, ctx.device), weights_size(source.folder))
        control = Control(net=net, picture=fit(followed, size), scale=params.control_scale)
    return Guides(
        image=fit(image, size) if image else None,
        mask=as_mask(mask, size) if mask else None,
        strength=params.strength,
        control=control,
        reference=given["reference"],
    )


def _reference(params: GenerateImage, ctx: JobContext) -> ReferenceAdapter | None:
    if params.reference_model is None:
        return None
    source = check_task(ctx.model(params.reference_model), _ADAPTER)
    return ctx.resident(source.key, lambda: load_reference(source, ctx.device), weights_size(source.folder))


def _enlarger(
    params: GenerateImage, painting: Painting, source: ModelSource, ctx: JobContext
) -> Callable[[Image.Image], Image.Image]:
    factor = params.upscale or source.defaults.get("upscale", 1)
    if painting.width * painting.height * factor**2 > MAX_ENLARGED:
        raise JobError("too_large", "The enlarged picture may have 17 million pixels at most.", field="upscale")
    usual = source.defaults.get("upscaler", _UPSCALER)
    return enlarger(params, factor, usual, ctx, lambda *_: ctx.check_cancelled())[1]


def _save(
    image: Image.Image,
    painting: Painting,
    params: GenerateImage,
    source: ModelSource,
    ctx: JobContext,
    *,
    seed: int,
) -> None:
    tags = "".join(f" <lora:{chosen.model}:{chosen.weight:g}>" for chosen in params.adapters)
    text = parameters_text(
        painting.prompt + tags,
        painting.negative_prompt,
        {
            "Steps": painting.steps,
            "Sampler": TITLES[painting.scheduler],
            "CFG scale": painting.guidance,
            "Seed": seed,
            "Size": f"{painting.width}x{painting.height}",
            "Model": source.name,
            "Denoising strength": params.strength if params.image else None,
            "Mask blur": 0 if params.mask else None,
            **_units(params),
            "Hires upscale": image.width // painting.width if image.width != painting.width else None,
            "Version": "Atelier",
        },
    )
    record = asdict(painting) | {"kind": "generate_image", "model": source.name, "model_key": source.key, "seed": seed}
    path = ctx.workdir / f"image-{seed - ctx.seed + 1}.png"
    save_png(image, path, parameters=text, record=record | _steered(params))
    ctx.save_artifact(path, media_type="image/png", seed=seed, width=image.width, height=image.height)


def _units(params: GenerateImage) -> dict[str, str]:
    """ControlNet and IP-Adapter as AUTOMATIC1111's extension writes its units."""
    units = []
    if params.controlnet:
        units.append(("None", params.controlnet, params.control_scale))
    if params.reference_model:
        units.append(("ip-adapter", params.reference_model, params.reference_scale))
    return {
        f"ControlNet {number}": f'"Module: {module}, Model: {model}, Weight: {weight:g}"'
        for number, (module, model, weight) in enumerate(units)
    }


def _steered(params: GenerateImage) -> dict[str, Any]:
    """What steered the picture besides its words, for the record; nothing where nothing did."""
    found: dict[str, Any] = {}
    if params.image:
        found |= {"image": params.image, "strength": params.strength} | ({"mask": params.mask} if params.mask else {})
    if params.adapters:
        found["adapters"] = [chosen.model_dump() for chosen in params.adapters]
    if params.controlnet:
        found |= params.model_dump(include={"controlnet", "control_image", "control_scale"})
    if params.reference_model:
        found |= params.model_dump(include={"reference_model", "reference", "reference_scale"})
    return found
