"""The network as ONNX: the same figures in another runtime."""

import errno
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from pictures import exposures

from streamfuse.cli.app import main
from streamfuse.errors import OutputError, OutputExistsError, UsageError
from streamfuse.fusion.lcndr import Lcndr
from streamfuse.fusion.lcndr_config import LcndrConfig
from streamfuse.fusion.models import save_weights
from streamfuse.lab.export import export_onnx, exportable

SIZES = ((192, 256), (32, 32), (64, 160), (416, 640))


def stack(height, width):
    return torch.from_numpy(np.stack(exposures(height, width)))[None]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    network = Lcndr(LcndrConfig(widths=(8, 8, 8, 8), stem=4))
    with torch.no_grad():
        for value in network.parameters():
            value.add_(torch.randn_like(value) * 0.05)  # modules that start as the identity take part
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_weights(network.eval(), path, {"data": "none", "licence": "Apache-2.0"})
    return path, network.requires_grad_(False)


def test_the_exported_module_is_the_network(weights):
    _, network = weights
    module = exportable(network)
    for size in SIZES:
        luma = stack(*size)
        fused, *maps = module(luma)
        np.testing.assert_allclose(fused, network(luma).clamp(0, 1), atol=1e-5)
        assert len(maps) == 9


@pytest.mark.slow
@pytest.mark.timeout(400)  # the exporter takes minutes on a busy machine
def test_onnx_runtime_agrees_at_any_size(weights, tmp_path):
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package, reason=f"{package} is not installed: pip install 'streamfuse[onnx]'")
    import onnxruntime

    path = tmp_path / "net.onnx"
    done = CliRunner().invoke(main, ["export", "onnx", str(path), "--fuser", str(weights[0])])
    assert done.exit_code == 0, done.output
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    assert names == ["fused", *(f"prior_{n}" for n in range(6)), *(f"gain_{n}" for n in range(3))]
    for size in SIZES:
        luma = stack(*size)
        expected = exportable(weights[1])(luma)
        for name, mine, wanted in zip(
            names, session.run(None, {"luma": luma.numpy()}), expected, strict=True
        ):
            np.testing.assert_allclose(mine, wanted.numpy(), atol=1e-3, err_msg=f"{name} at {size}")


def empty_model(monkeypatch):
    """An exporter that gives a model without operations: the real one takes a minute."""
    helper = pytest.importorskip(
        "onnx.helper", reason="onnx is not installed: pip install 'streamfuse[onnx]'"
    )
    monkeypatch.setattr("streamfuse.lab.export.find_spec", lambda name: name)
    monkeypatch.setattr(
        "streamfuse.lab.export._translate",
        lambda network: helper.make_model(helper.make_graph([], "g", [], [])),
    )


def test_the_file_describes_itself(weights, tmp_path, monkeypatch):
    empty_model(monkeypatch)
    import onnx

    export_onnx(str(weights[0]), tmp_path / "net.onnx")
    facts = {entry.key: entry.value for entry in onnx.load(tmp_path / "net.onnx").metadata_props}
    assert facts["licence"] == "Apache-2.0"
    assert facts["long_side"] == "640"
    assert len(json.loads(facts["exponents"])) == 5


def test_refusals(tmp_path, monkeypatch):
    monkeypatch.setattr("streamfuse.lab.export.find_spec", lambda name: name)
    (tmp_path / "there.onnx").write_bytes(b"mine")
    with pytest.raises(OutputExistsError):
        export_onnx("lcndr", tmp_path / "there.onnx")
    with pytest.raises(OutputError):
        export_onnx("lcndr", tmp_path / "no" / "net.onnx")
    with pytest.raises(UsageError):
        export_onnx("no such net", tmp_path / "net.onnx")
    assert (tmp_path / "there.onnx").read_bytes() == b"mine"


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_is_refused_before_the_export(tmp_path, monkeypatch, overwrite):
    monkeypatch.setattr("streamfuse.lab.export.find_spec", lambda name: name)
    with pytest.raises(OutputError, match="is a folder: give the name of a file in it"):
        export_onnx("no such net", tmp_path, overwrite=overwrite)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    empty_model(monkeypatch)
    (tmp_path / "net.onnx").write_bytes(b"mine")

    def fill_the_disk(path, data):
        with path.open("wb") as file:
            file.write(data[:3])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fill_the_disk)
    with pytest.raises(
        OutputError, match=r"net\.onnx cannot be written \(No space left on device\): free space"
    ):
        export_onnx("lcndr-xs", tmp_path / "net.onnx", overwrite=True)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"mine"]


def test_missing_packages_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "streamfuse.lab.export.find_spec", lambda name: None if name == "onnxscript" else name
    )
    with pytest.raises(UsageError, match=r"onnxscript.*streamfuse\[onnx\]"):
        export_onnx("lcndr", tmp_path / "net.onnx")
    done = CliRunner().invoke(main, ["export", "onnx", str(tmp_path / "net.onnx")])
    assert done.exit_code == 2
