"""What the processes of a device group tell each other within a step: all of them make the same one.

Each holds the whole model and learns a share of the batch; the sum of their gradients is that of one device. They meet
over torch's collectives, which accelerate sets up: gloo on CPUs and for few numbers, NCCL between GPUs.
"""

import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from accelerate.utils import patch_environment
from torch import Tensor, distributed

from shared.errors import RetryableError
from worker.engines.training.state import random_state, set_random_state

PATIENCE_S = 300.0
"""A process that lets the others wait for this long is lost: it hangs. One that ends is noticed at once."""

#: Numbers of a meeting: how many ran out of memory, how many failed, and room for the figures of a step.
_SHORT, _FAILED, _FIGURES = 0, 1, 8
#: Gradients of fewer numbers go together; larger ones each by itself and in place, since a copy may find no room.
_SMALL = 1 << 16


class Agreed(Exception):
    """What all processes raise alike, so that nobody waits for another."""


class ShortOfMemory(Agreed, MemoryError):
    """Memory ran out on another device of the group."""


class MateLost(Agreed, RetryableError):
    """A process of the group is gone."""

    def __init__(self, why: str = "it no longer answers") -> None:
        sentence = f"A process of the device group was lost: {why}. The training goes on from its last checkpoint."
        RetryableError.__init__(self, "group_broken", sentence)


class Company:
    """The processes of a group, of which this is number `rank`; the first leads. Alone, each verb does nothing.

    Every process calls the same verbs in the same order within `step`. Where one fails, it says so at the next meeting
    of the others, and there is no other meeting in that step.
    """

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank, self.size = rank, size

    def share(self, rows: Sequence[int]) -> Sequence[int]:
        """Those of a batch's rows that this process learns."""
        return rows[self.rank :: self.size] if self.size > 1 else rows

    @contextmanager
    def own_dice(self, step: int, device: str) -> Iterator[None]:
        """Draw in here what no other process draws; after it all dice stand where they stood, as if nobody had drawn.

        So what a learner draws outside, for a whole batch, is what it would draw alone.
        """
        if self.size == 1:
            yield
            return
        kept = random_state(device)
        alike = zlib.crc32(kept["cpu"].numpy().tobytes())
        torch.manual_seed((alike << 31) + step * self.size + self.rank)
        try:
            yield
        finally:
            set_random_state(kept, device)

    @contextmanager
    def step(self) -> Iterator[None]:
        """A step that all take or none: where it fails for one, the others raise too instead of waiting."""
        if self.size == 1:
            yield
            return
        try:
            yield
            self.meet()
        except Agreed:
            raise
        except BaseException as error:
            short = isinstance(error, MemoryError | torch.OutOfMemoryError)
            try:
                self._meet((), _SHORT if short else _FAILED)
            except Agreed as told:
                if isinstance(told, MateLost) and short:
                    raise told from None  # another one is in a worse state
            raise

    def meet(self, *figures: float) -> tuple[float, ...]:
        """The sums of every figure over all processes.

        Raises:
            ShortOfMemory: one has too little memory for this step.
            MateLost: one is gone, or failed.
        """
        return self._meet(figures) if self.size > 1 else figures

    def add_up(self, parameters: Sequence[torch.nn.Parameter], loss: float) -> float:
        """Put the sums of all processes' gradients in the place of this one's; the sum of their losses."""
        if self.size == 1:
            return loss
        # All that needs room is made before the meeting.
        had = torch.tensor([each.grad is not None for each in parameters], dtype=torch.float32)
        for each in parameters:
            if each.grad is None:
                each.grad = torch.zeros_like(each)
        gradients = [each.grad for each in parameters if each.grad is not None]
        large = [each for each in gradients if each.numel() > _SMALL and each.is_contiguous()]
        small = [each for each in gradients if not (each.numel() > _SMALL and each.is_contiguous())]
        flat = torch.cat([had.to(gradients[0].device), *(each.flatten().float() for each in small)])
        (loss,) = self.meet(loss)
        for tensor in (flat, *large):
            self._collect(tensor)
        parts = flat.split([len(had), *(each.numel() for each in small)])
        for gradient, part in zip(small, parts[1:], strict=True):
            gradient.copy_(part.view_as(gradient))
        for each, some in zip(parameters, parts[0].tolist(), strict=True):
            if not some:
                each.grad = None  # the optimiser passes over what nobody used
        return loss

    def align(self, tensors: Sequence[Tensor]) -> None:
        """Give all processes the leader's values of what each has changed by its own share: running means."""
        if self.size == 1 or not tensors:
            return
        flat = torch.cat([each.detach().flatten().double() for each in tensors])
        if self.rank:
            flat.zero_()
        self.meet()
        self._collect(flat)
        for each, part in zip(tensors, flat.split([each.numel() for each in tensors]), strict=True):
            each.detach().copy_(part.view_as(each))

    def _meet(self, figures: Sequence[float], failure: int | None = None) -> tuple[float, ...]:
        told = torch.zeros(2 + _FIGURES, dtype=torch.float64)
        told[2 : 2 + len(figures)] = torch.tensor(figures, dtype=torch.float64)
        if failure is not None:
            told[failure] = 1
        self._collect(told)
        if told[_FAILED]:
            raise MateLost
        if told[_SHORT]:
            raise ShortOfMemory("Memory ran out on a device of the group.")
        return tuple(told[2 : 2 + len(figures)].tolist())

    @staticmethod
    def _collect(tensor: Tensor) -> None:
        """The sum over all processes, in place: accelerate's own `reduce` copies, which large gradients cannot bear."""
        try:
            distributed.all_reduce(tensor)
        except RuntimeError as error:
            if isinstance(error, torch.OutOfMemoryError):
                raise
            raise MateLost from error


ALONE = Company()
"""One process on one device."""


def join(rank: int, size: int, device: str, at: Path) -> Company:
    """Come together with the other processes, on this machine alone, at a file that is not there yet.

    Raises:
        MateLost: they did not come.
    """
    cpu = not device.startswith("cuda")
    wait = timedelta(seconds=PATIENCE_S)
    # Each process computes on what it sees as the first GPU.
    named: dict[str, Any] = {"rank": rank, "world_size": size, "local_rank": rank if cpu else 0}
    named |= {"local_world_size": size, "master_addr": "127.0.0.1", "master_port": "0"}
    # A file, not a port, and the loopback alone: nobody else can take part.
    named |= {"gloo_socket_ifname": "lo", "nccl_socket_ifname": "lo"}
    # Else accelerate takes as many threads as there are cores.
    named |= {"omp_num_threads": torch.get_num_threads()}
    backend = "gloo" if cpu else "cpu:gloo,cuda:nccl"
    placed = {} if cpu else {"rank": rank, "world_size": size}
    PartialState._reset_state()
    try:
        with patch_environment(**named):
            PartialState(cpu=cpu, backend=backend, init_method=at.as_uri(), timeout=wait, **placed)
    except RuntimeError as error:
        raise MateLost("they did not come together") from error
    return Company(rank, size)


def leave() -> None:
    """This process is alone again."""
    if PartialState._shared_state:
        PartialState().destroy_process_group()
    PartialState._reset_state()
