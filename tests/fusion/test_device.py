"""Names of devices."""

import pytest
import torch

from streamfuse.errors import DeviceError, UsageError
from streamfuse.fusion.device import resolve_device


def test_cpu_and_auto():
    assert resolve_device("cpu") == torch.device("cpu")
    assert resolve_device().type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize(
    "name", ["", "gpu", "cpu:0", "cpu:", "cuda:", "cuda:x", "cuda:-1", "CUDA", "cuda:0:1"]
)
def test_unknown_names_are_told(name):
    with pytest.raises(UsageError, match="no device"):
        resolve_device(name)


def test_a_gpu_that_is_not_there_is_told():
    with pytest.raises(DeviceError, match="CUDA devices were found; use device cpu"):
        resolve_device("cuda:99")


@pytest.mark.cuda
def test_the_gpu():
    assert resolve_device("cuda:0") == torch.device("cuda:0")
