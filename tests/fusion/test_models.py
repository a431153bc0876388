"""Weights on disk: what is written is read, with its card; everything else is refused in one sentence."""

import errno
import json
import os
from pathlib import Path

import pytest
import torch
from networks import TINY, random_network
from safetensors.torch import save_file

from streamfuse.errors import OutputError, UsageError, WeightsError
from streamfuse.fusion.models import (
    FORMAT,
    NETWORKS,
    PRESET_NETWORK,
    load_network,
    load_weights,
    read_card,
    save_weights,
    weights_path,
)


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "mine.safetensors"
    save_weights(random_network(), path, {"steps": "12", "seed": "3"})
    return path


def test_a_network_comes_back_as_it_was(saved):
    network = load_weights(saved)
    assert network.config == TINY
    assert not network.training
    assert not any(p.requires_grad for p in network.parameters())
    for name, value in random_network().state_dict().items():
        assert torch.equal(network.state_dict()[name], value)


@pytest.mark.parametrize("switch", ["collaborate", "attend", "per_level", "revise"])
def test_so_do_ablated_networks_and_stems(tmp_path, switch):
    network = random_network(stem=3, depth=2, **{switch: False})
    save_weights(network, tmp_path / "a.safetensors", {})
    luma = torch.rand(1, 2, 32, 32)
    again = load_weights(tmp_path / "a.safetensors")
    assert again.config == network.config
    assert torch.equal(again(luma), network(luma))


def test_the_card_is_kept(saved):
    card = read_card(saved)
    assert (card["format"], card["steps"], card["seed"]) == (FORMAT, "12", "3")
    assert json.loads(card["config"])["widths"] == list(TINY.widths)


def test_loading_twice_gives_two_networks(saved):
    first, second = load_network(str(saved)), load_network(str(saved))
    with torch.no_grad():
        first.sharpness.zero_()
    assert second.sharpness.abs().sum() > 0


@pytest.mark.parametrize("name", NETWORKS)
def test_every_shipped_network_loads(name):
    network = load_network(name)
    stored = json.loads(read_card(weights_path(name))["config"])
    expected = {**stored, "widths": tuple(stored["widths"]), "mirrored": name == "lcndr"}
    assert expected == {field: getattr(network.config, field) for field in expected}
    assert all(value.isfinite().all() for value in network.state_dict().values())


def test_presets_go_from_small_to_large():
    fast, balanced, best = (load_network(name) for name in PRESET_NETWORK.values())
    sizes = [sum(p.numel() for p in network.parameters()) for network in (fast, balanced)]
    assert sizes[0] < sizes[1]
    assert (balanced.config.mirrored, best.config.mirrored) == (False, True)
    for ours, theirs in zip(best.parameters(), balanced.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_a_damaged_file(saved):
    data = saved.read_bytes()
    for damaged in (b"", b"not weights at all", data[: len(data) // 2], b"\xff" * 64 + data[64:]):
        saved.write_bytes(damaged)
        with pytest.raises(WeightsError, match="cannot be read"):
            load_weights(saved)


def test_another_format(saved):
    tensors = {"a": torch.zeros(2)}
    for metadata in (None, {"format": "pt"}, {"format": "streamfuse-lcndr-99"}):
        save_file(tensors, saved, metadata=metadata)
        with pytest.raises(WeightsError, match="are of format"):
            load_weights(saved)


@pytest.mark.parametrize(
    "config",
    [
        None,
        "not json",
        "[]",
        "{}",
        '{"widths": 5}',
        '{"widths": [8, 8, 8]}',
        '{"widths": [8, 8, 8, 16], "colour": 1}',
        '{"widths": [16, 8, 8, 16]}',
        '{"widths": ["a", "b", "c", "d"]}',
        '{"widths": [8, 8, 8, 16], "long_side": 0}',
        '{"widths": [8, 8, 8, 16], "long_side": "x"}',
        '{"widths": [8, 8, 8, 16], "long_side": 640.5}',
        '{"widths": [8, 8, 8, 16], "heads": 0}',
        '{"widths": [' + ", ".join(["1024"] * 2000) + "]}",
        '{"widths": [1024, 1024, 1024, 1024], "depth": 64, "stem": 1024}',
        '{"widths": [' + "8" * 5000 + ", 8, 8, 16]}",
        "[" * 5000,
        '{"widths": [8, 8, 8, 16], "heads": 3}',
        '{"widths": [8, 8, 8, 16], "depth": true}',
        '{"widths": [8, 8, 8, 16], "depth": 1000000000}',
        '{"widths": [8, 8, 8, 16], "mirrored": 1}',
        "[" * 100000,
    ],
)
def test_tensors_that_do_not_fit_the_description(saved, config):
    metadata = {"format": FORMAT} | ({"config": config} if config is not None else {})
    save_file(random_network().state_dict(), saved, metadata=metadata)
    with pytest.raises(WeightsError, match="do not fit") as caught:
        load_weights(saved)
    assert str(saved) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_wrong_tensors(saved):
    tensors = dict(random_network().state_dict())
    tensors.pop("sharpness")
    save_file(tensors, saved, metadata=read_card(saved))
    with pytest.raises(WeightsError, match="do not fit") as caught:
        load_weights(saved)
    assert str(saved) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["lcndr-xl", "missing.safetensors", "", "../lcndr"])
def test_names_that_do_not_exist(name):
    with pytest.raises(
        WeightsError if name.endswith(".safetensors") else UsageError,
        match=r"choose from lcndr-xs, lcndr-s, lcndr or name a \.safetensors file",
    ):
        weights_path(name)


def test_a_folder_is_no_weights_file(tmp_path):
    with pytest.raises(WeightsError):
        read_card(tmp_path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite(saved, value):
    tensors = dict(random_network().state_dict())
    tensors["sharpness"] = torch.full_like(tensors["sharpness"], value)
    save_file(tensors, saved, metadata=read_card(saved))
    with pytest.raises(WeightsError, match=r"mine\.safetensors are not all finite \(sharpness is not\)"):
        load_weights(saved)


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o007, 0o660)])
def test_weights_get_the_mode_of_any_new_file(tmp_path, umask, mode):
    previous = os.umask(umask)
    try:
        save_weights(random_network(), tmp_path / "a.safetensors", {})
    finally:
        os.umask(previous)
    assert (tmp_path / "a.safetensors").stat().st_mode & 0o777 == mode


def test_weights_that_cannot_be_written_leave_those_before(saved, monkeypatch):
    before, write = saved.read_bytes(), Path.write_bytes

    def full(path, data):
        write(path, data[:100])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match=r"mine\.safetensors cannot be written \(No space left"):
        save_weights(random_network(seed=1), saved, {})
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


def test_weights_in_the_place_of_a_folder(tmp_path):
    (tmp_path / "a.safetensors").mkdir()
    with pytest.raises(OutputError, match=r"a\.safetensors cannot be written"):
        save_weights(random_network(), tmp_path / "a.safetensors", {})
    with pytest.raises(OutputError, match=r"none/a\.safetensors cannot be written"):
        save_weights(random_network(), tmp_path / "none/a.safetensors", {})
