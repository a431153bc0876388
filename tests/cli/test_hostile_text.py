"""Settings, options and side files that nobody would write: one short sentence each, soon, and no failure inside."""

import json
import time
from contextlib import suppress

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from runs import streamfuse

from streamfuse.config import Config, load_config
from streamfuse.core.loop_cache import Note
from streamfuse.core.rates import read_rate
from streamfuse.errors import ConfigError, shortened

DIGITS = "9" * 5000
SAMPLE = "sample:?frames=4&size=64x48"
SIM = "sim:?frames=4&size=64x48"


@pytest.fixture(scope="module", autouse=True)
def nothing_to_compile():
    """What is refused is refused without loops; a run would compile them first."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Note, "is_there", True)
        yield


def refused(*arguments):
    begin = time.process_time()  # a busy machine is no fault
    result = streamfuse(*arguments)
    assert result.exit_code in (1, 2), result.output
    assert "Internal error" not in result.output
    assert "Traceback" not in result.output
    assert len(result.output) < 2000
    assert time.process_time() - begin < 20  # a number with a large exponent would be read for ever
    return result.output


SETTINGS = {
    "a list 700 deep": "[" * 700 + "]" * 700,  # reading one takes time by the square of its depth
    "a list that is not closed": "[" * 700,
    "a mapping 5000 deep": "fuse: " + "{a: " * 5000 + "}" * 5000,
    "indented 3000 deep": "\n".join(" " * depth + "a:" for depth in range(3000)),
    "a long number": f"input: {{cycle: {DIGITS}}}",
    "a long key": f"'{DIGITS}': 1",
    "a number as a key": "? 999999999999999999999\n: 1",
    "a long range": f"input: {{frames: '0:{DIGITS}'}}",
    "a long device": f"fuse: {{device: 'cuda:{DIGITS}'}}",
    "a large device": "fuse: {device: 'cuda:٣'}",
    "a long size": f"live: {{size: {DIGITS}x{DIGITS}}}",
    "a long port": f"live: {{web: ':{DIGITS}'}}",
    "a large exponent": f"output: {{crf: 1e{DIGITS}}}",
    "a long word": f"fuse: {{preset: {'a' * 100_000}}}",
    "aliases that grow": "a: &a [x,x,x,x,x,x,x,x,x]\n"
    + "\n".join(
        f"{c}: &{c} [{','.join([f'*{p}'] * 9)}]" for p, c in zip("abcdefgh", "bcdefghi", strict=True)
    ),
    "an alias of itself": "a: &a [*a]",
    "an alias of itself as a section": "fuse: &a {preset: *a}",
    "a tag": "fuse: !!python/object/apply:os.system ['true']",
    "a list as a key": "? [a, b]\n: 1",
    "no text": "fuse: \x00",
}


@pytest.mark.parametrize("text", SETTINGS.values(), ids=SETTINGS)
def test_settings(tmp_path, text):
    (tmp_path / "a.yaml").write_text(text)
    assert "a.yaml" in refused("config", "check", tmp_path / "a.yaml")


@pytest.mark.parametrize(
    "options",
    [
        ("--frames", f"0:{DIGITS}"),
        ("--frames", f"{DIGITS}:"),
        ("--fps", DIGITS),
        ("--fps", f"1/{DIGITS}"),
        ("--fps", "1e999999999"),
        ("--fps", "1/0"),
        ("--fps", "25/1e9"),
        ("--crf", DIGITS),
        ("--device", f"cuda:{DIGITS}"),
        ("--cycle", DIGITS),
        ("--codec", "a" * 100_000),
    ],
)
def test_options_of_fuse(options):
    refused("fuse", SAMPLE, "-o", "null:", *options)


@pytest.mark.parametrize(
    "option", ["frames", "size", "rate", "gap", "cycle", "bits", "drop", "first", "stamp"]
)
@pytest.mark.parametrize("value", [f"{DIGITS}x{DIGITS}", DIGITS + "/0", "1e999999999", "nan", "-1", ""])
def test_options_of_the_sample(option, value):
    refused(
        "fuse", f"sample:?size=64x48&{option}={value}"[: None if option != "size" else 6100], "-o", "null:"
    )


@pytest.mark.parametrize(
    "options",
    [
        (DIGITS,),
        ("sim:?rate=1e999999999",),
        ("simcam:?rate=1e999999999",),
        (f"simcam:?latency={DIGITS}",),
        (f"http://127.0.0.1:{DIGITS}/x",),
        (f"pylon:{DIGITS}",),
        (SIM, "--size", f"{DIGITS}x{DIGITS}"),
        (SIM, "--web", f":{DIGITS}"),
        (SIM, "--bitrate", DIGITS),
        (SIM, "--bitrate", "1e999"),
        (SIM, "--bitrate", "nan"),
        (SIM, "--exposures", "nan,1"),
        (SIM, "--exposures", f"{DIGITS},{DIGITS}"),
        (SIM, "--sink", f"mjpeg://127.0.0.1:{DIGITS}"),
        (SIM, "--sink", f"rtsp://127.0.0.1:{DIGITS}/x"),
        (SIM, "--sink", f"zmq+pub://127.0.0.1:{DIGITS}"),
        (SIM, "--sink", f"zmq+pub://127.0.0.1:*?hwm={DIGITS}"),
        (SIM, "--sink", f"zmq+pub://127.0.0.1:*?quality={DIGITS}"),
    ],
)
def test_options_of_live(options):
    refused(
        "live", *options, "--preset", "fast", "--fuser", "mertens", "--align", "off"
    )  # few loops to compile


@pytest.mark.parametrize(
    "endpoint",
    [
        f"tcp://127.0.0.1:{DIGITS}",
        f"tcp://127.0.0.1:5?timeout={DIGITS}x",
        "tcp://127.0.0.1:5?timeout=0.2&hwm=-1",
        f"tcp://127.0.0.1:5?timeout=0.2&hwm={DIGITS}",
        f"tcp://127.0.0.1:5?timeout=0.2&max_pixels={DIGITS}",
        "tcp://127.0.0.1:5?timeout=nan",
        "tcp://127.0.0.1:5?timeout=0.2&max_age=nan",
    ],
)
def test_endpoints(endpoint):
    refused("subscribe", endpoint)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", f"frame,exposure_us,gain\n{DIGITS},1,1\n"),
        ("a.csv", f"frame,exposure_us,gain\n0,{DIGITS},1\n1,1e999,1\n"),
        ("a.csv", f"frame,exposure_us,gain\n0,{'9' * 200_000},1\n"),
        ("a.csv", "frame,exposure_us,gain\n0,nan,1\n"),
        ("a.json", f'[{{"frame": {DIGITS}, "exposure_us": 1}}]'),
        ("a.json", "[" * 100_000),
        ("a.json", '{"a":' * 100_000),
    ],
)
def test_side_files(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert name in refused("fuse", SAMPLE, "-o", "null:", "--exposures", tmp_path / name)


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
keys = st.sampled_from(
    [*Config.model_fields, "preset", "outputs", "to", "camera", "web", "size", "cycle", "frames"]
)


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        scalars,
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(keys | st.text(max_size=5), inner, max_size=4)
        ),
    )
)
def test_any_settings_are_taken_or_refused(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("settings") / "a.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8", errors="replace")
    try:
        load_config(path).show()
    except ConfigError as error:
        assert len(str(error)) < 1500


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_any_text_is_taken_or_refused(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("settings") / "a.yaml"
    path.write_text(text, encoding="utf-8")
    try:
        load_config(path)
    except ConfigError as error:
        assert len(str(error)) < 1500


@settings(max_examples=300)
@given(st.text(max_size=30) | st.from_regex(r"\d{1,12}(\.\d{1,12})?([e/]-?\d{1,12})?", fullmatch=True))
def test_a_rate_is_read_or_refused(text):
    with suppress(ValueError):
        assert read_rate(text) >= 0


def test_the_longest_values_are_shortened():
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    for value in (10**5000, deep, "a" * 10**6, list(range(10**5))):
        assert len(shortened(value)) < 100
    assert shortened("a") == json.dumps("a").replace('"', "'")
    while deep:  # taken apart by hand: Python would do so by recursion
        (deep,) = deep
