"""Reusable machine-learning code: loading, decoding, diffusion, speech, upscaling.

Engines know torch and the model libraries; they know no kind, no job, no queue and no store.
"""
