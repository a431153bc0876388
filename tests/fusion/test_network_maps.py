"""OpenCV's runtime says what the network says in torch, for every form of it, and torch stands in where it cannot."""

import resource
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
import torch
from networks import random_network
from pictures import exposures

from streamfuse.errors import DeviceError
from streamfuse.fusion.fuser import LcndrFuser
from streamfuse.fusion.lcndr_graph import has_graph
from streamfuse.fusion.models import NETWORKS, load_network, read_network
from streamfuse.fusion.network_maps import LayerMaps, TorchMaps

FORMS = ({}, {"mirrored": True}, {"revise": False}, {"revise": False, "mirrored": True}, {"attend": False})
FORMS += ({"collaborate": False}, {"depth": 2})


def layers(network):
    return LayerMaps(network.config, {name: value.numpy() for name, value in network.state_dict().items()})


def stack(height, width, count=2, seed=0):
    noise = np.random.default_rng(seed).random((height, width, count), np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 1.5).transpose(2, 0, 1)
    return np.ascontiguousarray(np.clip((smooth - 0.5) * 3 + 0.5, 0, 1))


def check(ours, wanted):
    assert (len(ours.priors), len(ours.gains)) == (len(wanted.priors), len(wanted.gains))
    for mine, theirs in zip((*ours.priors, *ours.gains), (*wanted.priors, *wanted.gains), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=3e-5)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_the_network_says_the_same_as_in_torch(form):
    network = random_network(**form)
    ours, wanted = layers(network), TorchMaps(network, 1)
    for seen in (stack(64, 96), stack(32, 64, 3), stack(64, 96, seed=1)):  # sizes and numbers in turn
        check(ours(seen), wanted(seen))


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_that_ship_are_read_without_torch_and_say_the_same(name):
    config, weights = read_network(name)
    network = load_network(name)
    assert config == network.config
    seen = stack(96, 160)
    check(LayerMaps(config, weights)(seen), TorchMaps(network, 1)(seen))


def test_any_number_of_threads_gives_the_same_bits():
    maps, pictures = layers(random_network()), [stack(64, 128, seed=n) for n in range(6)]
    alone = [maps(one) for one in pictures]
    before = cv2.getNumThreads()
    cv2.setNumThreads(3)
    try:
        with ThreadPoolExecutor(3) as pool:
            beside = list(pool.map(maps, pictures))
    finally:
        cv2.setNumThreads(before)
    for one, other in zip(alone, beside, strict=True):
        for mine, theirs in zip((*one.priors, *one.gains), (*other.priors, *other.gains), strict=True):
            assert np.array_equal(mine, theirs)


def test_forms_of_training_are_left_to_torch():
    assert has_graph(random_network().config)
    assert not has_graph(random_network(stem=4).config)
    assert not has_graph(random_network(per_level=False).config)


def test_torch_stands_in_for_an_opencv_that_lacks_a_layer(monkeypatch):
    lumas = exposures(96, 128)
    wanted = LcndrFuser("lcndr-xs", "cpu").weigh(lumas)

    def refuses(*_, **__):
        raise cv2.error("no such layer")

    monkeypatch.setattr(cv2.dnn, "readNetFromONNX", refuses)
    fuser = LcndrFuser("lcndr-xs", "cpu")
    check(fuser.weigh(lumas), wanted)
    assert fuser.device == "cpu"


def test_torch_takes_as_few_threads_in_other_threads_as_was_wanted():
    maps, found, before = TorchMaps(random_network(), 2), [], torch.get_num_threads()

    def work():
        torch.set_num_threads(8)  # as a thread has it that used torch before
        maps(stack(32, 32))
        found.append(torch.get_num_threads())

    with ThreadPoolExecutor(1) as pool:
        pool.submit(work).result()
    torch.set_num_threads(before)
    assert found == [2]


@pytest.mark.slow
def test_a_run_on_a_cpu_never_imports_torch():
    code = (
        "import sys, streamfuse; list(streamfuse.fuse_video('sample:?frames=4&size=96x64', device='cpu')); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_limit_on_files_that_is_too_small_is_told():
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    maps = layers(random_network())
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, hard))
    try:
        with pytest.raises(DeviceError, match="raise `ulimit -f`"):
            maps(stack(64, 64))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
