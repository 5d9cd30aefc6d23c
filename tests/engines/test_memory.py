"""What is decided about memory, by numbers."""

import pytest

from worker.engines.memory import Plan, plan, tiled

GB = 2**30


@pytest.mark.parametrize(
    ("weights", "largest", "free", "expected"),
    [
        (2 * GB, 1.6 * GB, 8 * GB, Plan()),
        (6.5 * GB, 5 * GB, 8 * GB, Plan(slice_attention=True, slice_vae=True)),
        (10 * GB, 5 * GB, 8 * GB, Plan(offload=True, slice_vae=True)),
        (24 * GB, 7 * GB, 8 * GB, Plan(offload=True, slice_attention=True, slice_vae=True)),
        (33 * GB, 22 * GB, 8 * GB, Plan(offload_layers=True, slice_attention=True, slice_vae=True)),
    ],
)
def test_the_less_is_free_the_more_waits_outside(weights: float, largest: float, free: float, expected: Plan):
    assert plan("cuda:0", weights=int(weights), largest=int(largest), free=int(free)) == expected


def test_on_a_cpu_there_is_nowhere_to_move_anything():
    assert plan("cpu", weights=100 * GB, largest=50 * GB, free=0) == Plan()


def test_where_memory_ran_out_as_little_as_possible_is_held():
    assert plan("cpu", weights=1, largest=1, free=0, lean=True) == Plan(slice_attention=True, slice_vae=True)
    roomy = plan("cuda:0", weights=2 * GB, largest=GB, free=80 * GB, lean=True)
    assert roomy == Plan(offload=True, slice_attention=True, slice_vae=True)
    assert plan("cuda:0", weights=9 * GB, largest=9 * GB, free=8 * GB, lean=True).offload_layers


@pytest.mark.parametrize(
    ("device", "side", "expected"),
    [("cpu", 1024, False), ("cpu", 2048, True), ("cuda", 2048, False), ("cuda:0", 2304, True)],
)
def test_large_pictures_pass_the_autoencoder_in_tiles(device: str, side: int, expected: bool):
    assert tiled(device, side * side) is expected
