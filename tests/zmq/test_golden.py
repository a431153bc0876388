"""Everybody who speaks the protocol makes the same of the golden vectors."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
import subprocess
from pathlib import Path

import golden_vectors
import numpy as np
import pytest

from streamfuse import errors
from streamfuse.core.color import rgb_to_planes
from streamfuse.core.color_info import ColorInfo
from streamfuse.zmq.message import decode_message

EXAMPLES = Path(__file__).parents[2] / "examples"
VECTORS = {vector["name"]: vector for vector in golden_vectors.load()}
GOOD = [name for name, vector in VECTORS.items() if "expect" in vector]
BAD = [name for name, vector in VECTORS.items() if "error" in vector]


def test_files_are_what_the_code_says():
    for name, text in golden_vectors.written().items():
        stored = (golden_vectors.GOLDEN / name).read_text()
        assert json.loads(stored) == json.loads(text), f"write {name} anew only with a new version"


@pytest.mark.parametrize("name", GOOD)
def test_streamfuse_decodes(name):
    vector = VECTORS[name]
    message = decode_message(vector["message"])
    expect = vector["expect"]
    assert (message.header.kind, message.header.seq) == (expect["kind"], expect["seq"])
    assert len(message.arrays) == len(expect["parts"])
    for array, (_, part) in zip(message.arrays, expect["parts"].items(), strict=True):
        assert list(array.shape) == part["shape"]
        assert hashlib.sha256(array.tobytes()).hexdigest() == part["sha256"]
        assert not array.flags.writeable


@pytest.mark.parametrize("name", BAD)
def test_streamfuse_refuses(name):
    with pytest.raises(errors.WireError) as caught:
        decode_message(VECTORS[name]["message"])
    assert type(caught.value).__name__ == VECTORS[name]["error"]


def python_example():
    spec = importlib.util.spec_from_file_location("plain_subscriber", EXAMPLES / "subscribe.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", VECTORS)
def test_plain_python_example(name):
    vector = VECTORS[name]
    decode = python_example().decode
    if "error" in vector:
        with pytest.raises(ValueError):
            decode(vector["message"])
        return
    header, arrays = decode(vector["message"])
    assert (header["kind"], header["seq"]) == (vector["expect"]["kind"], vector["expect"]["seq"])
    found = {name: hashlib.sha256(array.tobytes()).hexdigest() for name, array in arrays.items()}
    assert found == {name: part["sha256"] for name, part in vector["expect"]["parts"].items()}


def test_plain_python_example_is_short():
    lines = (EXAMPLES / "subscribe.py").read_text().splitlines()
    assert len([line for line in lines if line.strip()]) <= 50


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("matrix", [1, 5, 9])
@pytest.mark.parametrize(
    ("layout", "bits", "subsampling"),
    [("yuv420p", 8, (1, 1)), ("yuv422p10le", 10, (1, 0)), ("yuv444p16le", 16, (0, 0)), ("nv12", 8, (1, 1))],
)
def test_plain_python_example_shows_rgb(layout, bits, subsampling, matrix, full_range):
    color = ColorInfo(matrix=matrix, full_range=full_range)
    even = np.empty((6, 9, 3), np.uint8)  # odd in width; of one colour, so that interpolation does not count
    even[:] = 200, 90, 30
    planes = rgb_to_planes(even, bits=bits, subsampling=subsampling, color=color)
    parts = dict(zip(("y", "cb", "cr"), planes, strict=True))
    if layout == "nv12":
        parts = {"y": planes[0], "cbcr": np.dstack(planes[1:])}
    header = {"pixel_format": layout, "color": {"matrix": matrix, "full_range": full_range}}
    picture = python_example().rgb(header, parts)
    assert picture.shape == even.shape
    assert np.abs(picture.astype(int) - even).max() <= 2


def test_plain_python_example_shows_what_is_no_ycbcr():
    picture, header = (
        np.arange(24, dtype=np.uint8).reshape(2, 4, 3),
        {"color": {"matrix": 1, "full_range": True}},
    )
    rgb = python_example().rgb
    assert (rgb(header | {"pixel_format": "rgb24"}, {"rgb": picture}) == picture).all()
    deep = (picture[..., ::-1].astype(np.uint16) << 8) + 7
    assert (rgb(header | {"pixel_format": "bgr48le"}, {"bgr": deep}) == picture).all()
    assert (rgb(header | {"pixel_format": "gray"}, {"y": picture[..., 0]}) == picture[..., :1]).all()


NODE = """
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
const { decode } = await import(process.argv[2]);
for (const vector of JSON.parse(readFileSync(process.argv[1]))) {
  const message = vector.message.map((part) => Buffer.from(part, "base64"));
  let got;
  try { got = decode(message); } catch { got = null; }
  if (!vector.expect !== !got) throw new Error(`${vector.name}: ${got ? "taken" : "refused"}`);
  if (!got) continue;
  if (got.header.kind !== vector.expect.kind || got.header.seq !== vector.expect.seq) throw new Error(vector.name);
  for (const [name, part] of Object.entries(vector.expect.parts)) {
    const found = createHash("sha256").update(got.parts[name].data).digest("hex");
    if (found !== part.sha256) throw new Error(`${vector.name}: ${name}`);
  }
}
console.log("ok");
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js")
def test_node_example():
    files = [golden_vectors.GOLDEN / "vectors.json", EXAMPLES / "subscribe.mjs"]
    command = ["node", "--input-type=module", "-e", NODE, *map(str, files)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.stdout.strip() == "ok", done.stderr
