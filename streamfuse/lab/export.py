"""The network for other runtimes: ONNX, two exposures, any size.

Input
    luma (1, 2, H, W) float32 in [0, 1]: the darker exposure first or second, H and W multiples of 32. Stretch a
    picture to get there: streamfuse shows its network a long side of 0.7 x `long_side` of its metadata (448).

Outputs
    fused (1, 1, H, W) in [0, 1]: the fused luma at the size of the input.
    prior_0 .. prior_5 (1, 2, h, w): weights of the exposures for each Laplacian band, finest first, and for the base;
    positive, summing to 1. At 1/4 (0 to 2), 1/8, 1/16 and 1/32 of the input.
    gain_0 .. gain_2 (1, 1, H/4, W/4) in [0.5, 3.75]: scale of the three finest fused bands.

Larger pictures are fused by blending their own finer bands with prior_0 and gain_0 on top of `fused`;
`streamfuse.fusion.strips` does it in a few lines, and `streamfuse.fusion.octave_maps` says how maps of one size become
those of an octave of the picture. The file's metadata holds the exponents of the local energy that this needs
(`exponents`, finest first), and the model card.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamfuse.core.output_file import check_output_file, replacing
from streamfuse.errors import UsageError

if TYPE_CHECKING:
    from torch import nn

    from streamfuse.fusion.lcndr import Lcndr

OPSET = 18
EXPOSURES = 2
MULTIPLE = 32
_MAX_SIDE = 1 << 14  # of the input, for the exporter's proofs
_EXAMPLE = (192, 256)


def export_onnx(fuser: str, output: Path, *, overwrite: bool = False) -> None:
    """Write a network as ONNX; the module's docstring describes inputs and outputs.

    Args:
        fuser: lcndr, lcndr-s, lcndr-xs or a .safetensors file.
        output: the file.
        overwrite: replace an existing file.

    Raises:
        UsageError: the packages of streamfuse[onnx] are missing.
        WeightsError: no such network.
        OutputExistsError, OutputError: as the message says.
    """
    from streamfuse.fusion.models import load_network, read_card, weights_path

    missing = [name for name in ("onnx", "onnxscript") if find_spec(name) is None]
    if missing:
        raise UsageError(
            f"Exporting needs {' and '.join(missing)}, which cannot be found: pip install 'streamfuse[onnx]'."
        )
    check_output_file(output, overwrite=overwrite)
    network = load_network(fuser)
    model = _translate(network)
    card = read_card(weights_path(fuser))
    exponents = [float(network.exponent(n)) for n in range(len(network.sharpness))]
    facts = {"long_side": str(network.config.long_side), "exponents": json.dumps(exponents)}
    _save(model, card | facts, output)


def exportable(network: Lcndr) -> nn.Module:
    """Give the network as a module from luma to (fused, priors ..., gains ...), for exporters of any kind."""
    import torch
    from torch import Tensor

    from streamfuse.fusion.lcndr_config import LEVELS
    from streamfuse.fusion.pyramid import band_weights, collapse, laplacian_pyramid, local_energy, upsample

    class Exportable(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, luma: Tensor) -> tuple[Tensor, ...]:
            maps = self.network.maps(luma)
            gaussian, bands = laplacian_pyramid(luma, LEVELS)
            fused = []
            for level, band in enumerate(bands):
                weights = band_weights(maps.priors[level], local_energy(band), self.network.exponent(level))
                detail = (weights * band).sum(1, keepdim=True)
                if level < len(maps.gains):
                    detail = detail * upsample(maps.gains[level], detail.shape[-2:])
                fused.append(detail)
            base = (maps.priors[-1] * gaussian[-1]).sum(1, keepdim=True)
            return (collapse(base, fused, gaussian).clamp(0, 1), *maps.priors, *maps.gains)

    return Exportable().eval()


def _translate(network: Lcndr) -> Any:
    """Give the ONNX program; the exporter's chatter is kept off the terminal."""
    import torch
    from torch.export import Dim

    module = exportable(network)
    maps = network.maps(torch.zeros(1, EXPOSURES, MULTIPLE, MULTIPLE))
    names = ["fused", *(f"prior_{n}" for n in range(len(maps.priors)))]
    names += [f"gain_{n}" for n in range(len(maps.gains))]
    largest = _MAX_SIDE // MULTIPLE
    sides = {2: MULTIPLE * Dim("rows", min=1, max=largest), 3: MULTIPLE * Dim("columns", min=1, max=largest)}
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module, (torch.rand(1, EXPOSURES, *_EXAMPLE),), dynamo=True, opset_version=OPSET, verbose=False,
            input_names=["luma"], output_names=names, dynamic_shapes={"luma": sides},
        )  # fmt: skip
    assert program is not None
    return program.model_proto


def _save(model: Any, facts: dict[str, str], output: Path) -> None:
    import onnx

    for name, value in facts.items():
        model.metadata_props.append(onnx.StringStringEntryProto(key=name, value=value))
    onnx.checker.check_model(model)
    with replacing(output) as part:
        part.write_bytes(model.SerializeToString())
