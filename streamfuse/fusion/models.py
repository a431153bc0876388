"""The networks that ship: names, presets, and weights stored as safetensors with a model card inside."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from streamfuse.errors import WeightsError

if TYPE_CHECKING:
    from streamfuse.fusion.lcndr import Lcndr

Preset = Literal["fast", "balanced", "best"]
PRESET_NETWORK: Mapping[str, str] = {"fast": "lcndr-xs", "balanced": "lcndr-s", "best": "lcndr"}
NETWORKS = tuple(PRESET_NETWORK.values())
# The best: the weights of the balanced network, which looks at each picture four times. A network with four times the
# weights learned its scenes by heart and was no better.
_MIRRORED: Mapping[str, str] = {"lcndr": "lcndr-s"}
FORMAT = "streamfuse-lcndr-1"


def save_weights(network: Lcndr, path: Path, card: Mapping[str, str]) -> None:
    """Write the weights, the network's configuration and a model card (plain strings) to one file."""
    from safetensors.torch import save_file

    metadata = {"format": FORMAT, "config": json.dumps(asdict(network.config)), **card}
    tensors = {name: value.contiguous().cpu() for name, value in network.state_dict().items()}
    save_file(tensors, path, metadata=metadata)


def read_card(path: Path) -> dict[str, str]:
    """The metadata of a weights file.

    Raises:
        WeightsError: missing, not safetensors, or made for another network.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            card = dict(file.metadata() or {})
    except (OSError, SafetensorError) as error:
        raise WeightsError(
            f"The weights {path} cannot be read: {error}. Reinstall streamfuse or retrain."
        ) from error
    if card.get("format") != FORMAT:
        raise WeightsError(
            f"The weights {path} are of format {card.get('format')!r}, this version reads {FORMAT!r}."
        )
    return card


def load_weights(path: Path) -> Lcndr:
    """The network stored in `path`, in float32 on the CPU, ready to use.

    Raises:
        WeightsError: as `read_card`, or tensors that do not fit the stored configuration.
    """
    from safetensors.torch import load_file

    from streamfuse.fusion.lcndr import Lcndr, LcndrConfig

    card = read_card(path)
    try:
        values = json.loads(card["config"])
        values["widths"] = tuple(values["widths"])
        network = Lcndr(LcndrConfig(**values))
        network.load_state_dict(load_file(path))
    except (LookupError, TypeError, ValueError, RuntimeError) as error:
        raise WeightsError(f"The weights {path} do not fit the network described inside: {error}") from error
    return network.eval().requires_grad_(False)


def weights_path(name: str) -> Path:
    """Where the shipped weights of `name` (one of `NETWORKS`) lie, or `name` itself if it is a file.

    `lcndr` and `lcndr-s` share one file.

    Raises:
        WeightsError: no such network or file.
    """
    if name.endswith(".safetensors") and Path(name).is_file():
        return Path(name)
    file = f"{_MIRRORED.get(name, name)}.safetensors"
    shipped = Path(str(resources.files("streamfuse") / "weights" / file))
    if name in NETWORKS and shipped.is_file():
        return shipped
    raise WeightsError(
        f"There is no network {name!r}; choose from {', '.join(NETWORKS)} or name a .safetensors file."
    )


def load_network(name: str) -> Lcndr:
    """A shipped network by name, or one from a .safetensors file; each call gives one of its own.

    Raises:
        WeightsError: as `weights_path` and `load_weights`.
    """
    network = load_weights(weights_path(name))
    network.config = replace(network.config, mirrored=name in _MIRRORED)
    return network
