"""Which devices a machine has, told by the driver's own tool, and what each worker may see."""

import os
from pathlib import Path

import pytest

from shared.settings import Settings
from worker.devices import find_devices
from worker.supervisor import device_environment

_TOOL = """#!/bin/sh
echo "0, NVIDIA A, 1024"
echo "1, NVIDIA A, 1024"
echo "2, NVIDIA B, 2048"
"""


@pytest.fixture
def three_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose driver tool lists three GPUs."""
    tool = tmp_path / "nvidia-smi"
    tool.write_text(_TOOL)
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")


def test_without_a_gpu_there_is_one_cpu_slot(no_gpu: None) -> None:
    (device,) = find_devices()
    assert (device.name, device.torch_name, device.pools) == ("cpu:0", "cpu", ("cpu", "io"))
    assert device.memory > 1 << 30


def test_every_gpu_gets_a_worker_and_the_cpu_too(three_gpus: None) -> None:
    assert [device.name for device in find_devices()] == ["cuda:0", "cuda:1", "cuda:2", "cpu:0"]


def test_devices_are_pinned_by_hand_and_a_group_is_one_worker(three_gpus: None) -> None:
    first, group, cpu = find_devices(("cuda:0", "cuda:1+cuda:2", "cpu"))
    assert group.memory == (1024 + 2048) << 20
    assert device_environment(first, 2)["CUDA_VISIBLE_DEVICES"] == "0"
    assert device_environment(group, 2)["CUDA_VISIBLE_DEVICES"] == "1,2"
    assert device_environment(cpu, 2)["CUDA_VISIBLE_DEVICES"] == ""
    assert (group.torch_name, cpu.torch_name) == ("cuda:0", "cpu")


def test_bare_cpus_are_numbered_among_cpus(three_gpus: None) -> None:
    assert [device.name for device in find_devices(("cuda:0", "cpu:1", "cpu", "cpu"))] == [
        "cuda:0", "cpu:1", "cpu:0", "cpu:2",
    ]  # fmt: skip


def test_no_two_workers_get_one_device(three_gpus: None) -> None:
    with pytest.raises(ValueError, match="named twice"):
        find_devices(("cpu:0", "cpu:0"))


@pytest.mark.parametrize("wrong", ["gpu", "cuda", "cuda:x", "cuda:7", "cuda:0+cpu", "cpu:-1", ""])
def test_what_is_no_device_is_refused(three_gpus: None, wrong: str) -> None:
    with pytest.raises(ValueError, match=r"not a device|has no cuda"):
        find_devices((wrong,))


def test_a_gpu_cannot_be_given_twice(three_gpus: None) -> None:
    with pytest.raises(ValueError, match="twice"):
        find_devices(("cuda:0", "cuda:0+cuda:1"))


def test_the_budget_leaves_room_and_can_be_set(no_gpu: None, tmp_path: Path) -> None:
    (device,) = find_devices()
    assert device.budget(Settings(home=tmp_path)) == device.memory // 2
    assert device.budget(Settings(home=tmp_path, memory_budget_gb=2)) == 2 << 30
