"""Reusable machine-learning code: loading, decoding, diffusion, speech, upscaling.

Engines know torch and the model libraries; they know no kind, no job, no queue and no store.
"""

from transformers.utils import logging

# A worker's log is no place for progress bars, and what the library advises is for authors, not for operators.
# Here, so that it holds before any engine's own imports.
logging.disable_progress_bar()
logging.set_verbosity_error()
