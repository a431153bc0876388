"""Everybody who speaks the protocol makes the same of the golden vectors."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
import subprocess
from pathlib import Path

import golden_vectors
import pytest

from streamfuse import errors
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
    assert len([line for line in lines if line.strip()]) <= 30


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
