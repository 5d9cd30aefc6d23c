"""Whether a device can be trusted: fatal faults are counted across processes, and three in ten minutes rest it.

A CUDA context does not recover within its process, so a fatal fault ends the process.
"""

import logging
import os
import time
from pathlib import Path

WINDOW_S = 600.0
MAX_FAULTS = 3

_FATAL = ("CUDA error", "device-side assert", "illegal memory access", "uncorrectable ECC", "CUBLAS_STATUS", "cudnn")

log = logging.getLogger(__name__)


def is_fatal(error: BaseException) -> bool:
    """Whether this error leaves the device's context unusable."""
    if type(error).__name__ == "AcceleratorError":
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _FATAL)


class Health:
    """The faults of one device, kept in a file so that they outlive the process."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._tested_at = 0.0

    def faults(self) -> list[float]:
        """Times (epoch seconds) of the fatal faults within the window."""
        try:
            times = [float(line) for line in self._file.read_text().split()]
        except (FileNotFoundError, ValueError):
            return []
        return [moment for moment in times if time.time() - moment < WINDOW_S]

    def quarantined(self) -> bool:
        """Whether the device must rest."""
        return len(self.faults()) >= MAX_FAULTS

    def note(self) -> str:
        """What the site says of it."""
        faults = self.faults()
        if len(faults) < MAX_FAULTS:
            return ""
        minutes = max(1, round((min(faults) + WINDOW_S - time.time()) / 60))
        return f"Failed {len(faults)} times in ten minutes; it is tried again in {minutes} min."

    def record(self) -> None:
        """Count one fatal fault now."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        recent = [*self.faults(), time.time()]
        self._file.write_text("\n".join(f"{moment:.3f}" for moment in recent))

    def record_and_exit(self, error: BaseException) -> None:
        """Count the fault and end this process: its context is lost."""
        log.critical("the device failed (%s): this process ends", error)
        self.record()
        logging.shutdown()
        os._exit(70)

    def untested(self) -> bool:
        """Whether the device has failed since it was last tested."""
        return any(moment > self._tested_at for moment in self.faults())

    def self_test(self, torch_device: str) -> None:
        """Compute something small and check it, before the next claim after a fault.

        A device that fails it is counted as faulty once more, and the process ends.
        """
        # Only a device that has failed before needs torch at this moment.
        import torch  # noqa: PLC0415 - see above

        try:
            ones = torch.ones(64, 64, device=torch_device)
            if float((ones @ ones).sum()) != 64.0**3:
                raise RuntimeError("CUDA error: the self-test computed a wrong sum")
        except RuntimeError as error:
            self.record_and_exit(error)
        self._tested_at = time.time()
