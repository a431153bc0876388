"""The networks that ship: names, presets, and weights stored as safetensors with a model card inside."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from importlib import resources
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING

from streamfuse.core.frame import Map
from streamfuse.core.output_file import write_bytes_file
from streamfuse.core.values import PRESET_NETWORK
from streamfuse.errors import UsageError, WeightsError, shortened
from streamfuse.fusion.lcndr_config import LcndrConfig

if TYPE_CHECKING:
    from streamfuse.fusion.lcndr import Lcndr

NETWORKS = tuple(PRESET_NETWORK.values())
# The best: the weights of the balanced network, which looks at each picture four times. A network with four times the
# weights learned its scenes by heart and was no better.
_MIRRORED: Mapping[str, str] = {"lcndr": "lcndr-s"}
FORMAT = "streamfuse-lcndr-1"
# Smallest and largest of what a weights file may say; beyond, building the network would take all memory or never end.
_BOUNDS: Mapping[str, tuple[int, int]] = {
    "widths": (1, 1024),
    "depth": (1, 64),
    "stem": (0, 1024),
    "heads": (1, 1024),
    "long_side": (1, 65536),
}
_SCALES = 4  # that have a width
_SWITCHES = ("collaborate", "attend", "per_level", "revise", "mirrored")


def save_weights(network: Lcndr, path: Path, card: Mapping[str, str]) -> None:
    """Write the weights, the network's configuration and a model card (plain strings) to one file.

    Raises:
        OutputError: as `write_bytes_file`.
    """
    from safetensors.torch import save

    metadata = {"format": FORMAT, "config": json.dumps(asdict(network.config)), **card}
    tensors = {name: value.contiguous().cpu() for name, value in network.state_dict().items()}
    write_bytes_file(path, save(tensors, metadata=metadata))


def read_card(path: Path) -> dict[str, str]:
    """Give the metadata of a weights file.

    Raises:
        WeightsError: missing, not safetensors, or made for another network.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            card = dict(file.metadata() or {})
    except (OSError, SafetensorError) as error:
        raise WeightsError(
            f"The weights {path} cannot be read ({shorten(str(error), 300)}): reinstall streamfuse or retrain."
        ) from error
    if card.get("format") != FORMAT:
        raise WeightsError(
            f"The weights {path} are of format {card.get('format')!r}, this version reads {FORMAT!r}."
        )
    return card


def load_weights(path: Path) -> Lcndr:
    """Give the network stored in `path`, in float32 on the CPU, ready to use.

    Raises:
        WeightsError: as `read_card`, tensors that do not fit the stored configuration, or values that are not finite.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from streamfuse.fusion.lcndr import Lcndr

    card = read_card(path)
    try:
        config = _described(card["config"])
        _check_shapes(config, path)
        network = Lcndr(config)
        network.load_state_dict(load_file(path))
    except (LookupError, TypeError, ValueError, RuntimeError, RecursionError, SafetensorError) as error:
        raise WeightsError(
            f"The weights {path} do not fit the network described inside ({shorten(str(error), 300)}): "
            "reinstall streamfuse or retrain."
        ) from error
    for name, value in network.state_dict().items():
        if not value.isfinite().all():
            raise WeightsError(f"The weights {path} are not all finite ({name} is not): train them again.")
    return network.eval().requires_grad_(False)


def read_network(name: str) -> tuple[LcndrConfig, dict[str, Map]]:
    """Configuration and weights of a network, as `load_network` has them, by their names in `state_dict`.

    A network that ships is read without torch, which takes a second to import; any other file is checked by it.

    Raises:
        UsageError, WeightsError: as `load_network`.
    """
    if name not in NETWORKS:
        network = load_network(name)
        return network.config, {key: value.numpy() for key, value in network.state_dict().items()}
    from safetensors import SafetensorError, safe_open

    path = weights_path(name)
    config = replace(_described(read_card(path)["config"]), mirrored=name in _MIRRORED)
    try:
        with safe_open(path, framework="np") as file:
            return config, {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (no mapping)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"The weights {path} cannot be read ({error}): reinstall streamfuse.") from error


def _check_shapes(config: LcndrConfig, path: Path) -> None:
    """Compare the network with what the file holds, before memory is taken for it: a few bytes can describe gigabytes.

    Raises:
        ValueError: it holds other tensors.
    """
    import torch
    from safetensors import safe_open

    from streamfuse.fusion.lcndr import Lcndr

    with torch.device("meta"):
        wanted = {name: list(value.shape) for name, value in Lcndr(config).state_dict().items()}
    with safe_open(path, framework="pt") as file:
        found = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118 (no mapping)
    for name in sorted({*wanted, *found}):
        if wanted.get(name) != found.get(name):
            raise ValueError(f"the tensor {name} is {found.get(name)} and has to be {wanted.get(name)}")


def _described(text: str) -> LcndrConfig:
    """Give the configuration in a card, which anybody may have written.

    Raises:
        LookupError, TypeError, ValueError: it describes no network.
    """
    values = json.loads(text)
    config = LcndrConfig(**{**values, "widths": tuple(values["widths"])})
    if len(config.widths) != _SCALES:
        raise ValueError(f"there are {len(config.widths)} widths and have to be {_SCALES}")
    for name, (smallest, largest) in _BOUNDS.items():
        value = getattr(config, name)
        for number in value if name == "widths" else (value,):
            if type(number) is not int or not smallest <= number <= largest:
                raise ValueError(f"{name} is {shortened(value)} and has to be from {smallest} to {largest}")
    for name in _SWITCHES:
        if type(getattr(config, name)) is not bool:
            raise ValueError(f"{name} is {shortened(getattr(config, name))} and has to be true or false")
    if config.widths[-1] % config.heads:
        raise ValueError(f"the last width of {config.widths} is no multiple of {config.heads} heads")
    return config


def weights_path(name: str) -> Path:
    """Tell where the shipped weights of `name` (one of `NETWORKS`) lie, or `name` itself if it is a file.

    `lcndr` and `lcndr-s` share one file.

    Raises:
        UsageError: no such network.
        WeightsError: no such file.
    """
    if name.endswith(".safetensors") and Path(name).is_file():
        return Path(name)
    file = f"{_MIRRORED.get(name, name)}.safetensors"
    shipped = Path(str(resources.files("streamfuse") / "weights" / file))
    if name in NETWORKS and shipped.is_file():
        return shipped
    kind = WeightsError if name.endswith(".safetensors") else UsageError
    raise kind(
        f"There is no network {name!r}; choose from {', '.join(NETWORKS)} or name a .safetensors file."
    )


def load_network(name: str) -> Lcndr:
    """Give a shipped network by name, or one from a .safetensors file; each call gives one of its own.

    Raises:
        WeightsError: as `weights_path` and `load_weights`.
    """
    network = load_weights(weights_path(name))
    network.config = replace(network.config, mirrored=name in _MIRRORED)
    return network
