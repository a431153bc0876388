"""Configuration: the shipped files, overrides, and one clear sentence for each mistake."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from streamfuse.config import OPTION_KEYS, Config, load_config, schema, shipped_configs
from streamfuse.core.options import CommonOptions, FuseOptions, LiveOptions
from streamfuse.errors import ConfigError
from streamfuse.runtime.live.live_config import LiveConfig

SHIPPED = [
    "best",
    "default",
    "fast",
    "live-record-and-publish",
    "live-rtsp-to-rtsp",
    "live-webcam",
    "magic-lantern",
]


@pytest.fixture
def write(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "mine.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_the_shipped_configurations_are_found():
    assert sorted(shipped_configs()) == SHIPPED


@pytest.mark.parametrize("name", SHIPPED)
def test_each_shipped_configuration_loads_and_explains_itself(name):
    config = load_config(name)
    assert load_config(shipped_configs()[name]) == config
    text = shipped_configs()[name].read_text()
    assert text.startswith("# ")
    assert text.count("#") >= 3


@pytest.mark.parametrize("name", SHIPPED)
def test_the_schema_validates_the_shipped_configurations(name):
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    jsonschema.validate(yaml.safe_load(shipped_configs()[name].read_text()), schema())


def test_the_schema_describes_every_setting():
    kinds = schema()["$defs"]
    assert all("description" in field for kind in kinds.values() for field in kind["properties"].values())


def test_the_default_configuration_lists_every_setting_with_its_default():
    assert load_config() == load_config("default") == Config()
    assert yaml.safe_load(shipped_configs()["default"].read_text()) == Config().model_dump(mode="json")


def test_what_a_preset_stands_for():
    fusers = {name: load_config(name).fuser_name for name in ("fast", "default", "best")}
    assert fusers == {"fast": "lcndr-xs", "default": "lcndr-s", "best": "lcndr"}
    assert load_config("best").align_preset == "best"
    lantern = load_config("magic-lantern")
    assert (lantern.input.cycle, lantern.output.codec, lantern.output.bits) == (2, "hevc", 10)


def test_the_command_line_wins():
    config = load_config("magic-lantern").with_overrides(
        codec="av1", align="off", smooth="off", ghost="off", crf=None
    )
    assert (config.output.codec, config.align.mode) == ("av1", "off")
    assert (config.smooth.enabled, config.align.ghost) == (False, False)
    assert (config.output.crf, config.output.bits) == (20, 10)


def test_a_preset_on_the_command_line_replaces_what_the_file_chose(write):
    path = write("fuse: {preset: fast, fuser: mertens}\nalign: {preset: fast, mode: global}")
    config = load_config(path).with_overrides(preset="best")
    assert (config.fuser_name, config.align_preset, config.align.mode) == ("lcndr", "best", "global")
    assert load_config(path).with_overrides(preset="best", fuser="lcndr-s").fuser_name == "lcndr-s"
    assert load_config(path).with_overrides(fuser="lcndr").align_preset == "fast"


def test_a_former_name_is_understood_with_a_word(write):
    with pytest.warns(FutureWarning, match="flicker is called deflicker"):
        assert load_config(write("smooth: {flicker: true}")).smooth.deflicker
    with pytest.warns(FutureWarning, match="flicker is called deflicker"):
        assert Config().with_overrides(flicker=True).smooth.deflicker
    assert not hasattr(Config().smooth, "flicker")


def test_every_option_has_a_place():
    settings = Config().model_dump()
    for place in OPTION_KEYS.values():
        section, key = place.split(".")
        assert key in settings[section]


@given(
    preset=st.sampled_from(["fast", "balanced", "best"]),
    crf=st.none() | st.floats(0, 63),
    frames=st.sampled_from([None, "10:20", "5:", ":7"]),
    align=st.sampled_from(["off", "global", "flow"]),
    overwrite=st.booleans(),
)
def test_what_is_shown_loads_to_the_same_settings(tmp_path_factory, **options):
    config = Config().with_overrides(**options)
    path = tmp_path_factory.mktemp("config") / "shown.yaml"
    path.write_text(config.show())
    assert load_config(path) == config


def test_on_off_and_colons_mean_what_they_look_like(write):
    config = load_config(write("align:\n  mode: off\n  ghost: off\nsmooth: off\ninput:\n  frames: 10:20\n"))
    assert (config.align.mode, config.align.ghost, config.smooth.enabled) == ("off", False, False)
    assert config.input.frame_range == (10, 20)
    assert Config().with_overrides(frames="5:").input.frame_range == (5, None)
    assert Config().input.frame_range is None


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (
            "fuse: {presett: fast}",
            ["'fuse.presett' is not a setting", "did you mean 'fuse.preset'?", "device"],
        ),
        ("preset: fast", ["did you mean 'fuse.preset'?"]),
        (
            "fuze: {preset: fast}",
            ["'fuze'", "did you mean 'fuse'?", "input, align, fuse, smooth, look, output"],
        ),
        ("output: {device: cpu}", ["did you mean 'fuse.device'?"]),
        ("fuse: {preset: fastest}", ["'fuse.preset' is 'fastest'", "did you mean 'fast'?", "'balanced'"]),
        ("output: {crf: low}", ["'output.crf' is 'low'", "number"]),
        ("output: {crf: 99}", ["'output.crf' is 99", "less than or equal to 63"]),
        ("output: {bits: 9}", ["'output.bits' is 9", "8, 10, 12 or 16"]),
        ("output: {codec: h265}", ["'output.codec' is 'h265'", "hevc"]),
        ("input: {cycle: 1}", ["'input.cycle' is 1"]),
        ("input: {frames: 9:3}", ["'input.frames' is '9:3'", "no frame"]),
        ("input: {frames: all}", ["A:B"]),
        ("fuse: {device: gpu}", ["cuda:N"]),
        ("align: flow", ["'align' is 'flow'", "mode, ghost, denoise, bands, preset"]),
        ("fuse: {preset: x}\noutput: {crf: -1}", ["1 more"]),
        ("- fuse\n- align", ["sections"]),
        ("hello", ["sections"]),
        ("fuse: [1, 2", ["not valid YAML in line 1"]),
        ("a: b\n\tc: d", ["not valid YAML in line 2"]),
        ("fuse: {preset: fast}\nfuse: {preset: best}", ["'fuse' comes twice"]),
        ("\x00\x01", ["not valid YAML"]),
        ("? [1, 2]\n: 3", ["not valid YAML"]),
        ("!!python/object:os.system {}", ["not valid YAML"]),
        ("", ["holds no settings"]),
        ("# nothing here\n", ["holds no settings"]),
        ("1: 2", ["'1' is 1; keys should be strings"]),
    ],
)
def test_a_mistake_in_a_file_is_named_in_one_sentence(write, text, parts):
    path = write(text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    for part in parts:
        assert part in message


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"no configuration 'fsat': did you mean 'fast'\?"):
        load_config("fsat")
    with pytest.raises(ConfigError, match=r"missing\.yaml"):
        load_config(tmp_path / "missing.yaml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path)
    binary = tmp_path / "clip.mov"
    binary.write_bytes(bytes(range(128, 256)))
    with pytest.raises(ConfigError, match=r"clip\.mov cannot be read"):
        load_config(binary)


def test_a_mistake_on_the_command_line_is_named():
    with pytest.raises(ConfigError, match=r"the options: 'fuse\.preset' is 'quick'"):
        Config().with_overrides(preset="quick")
    with pytest.raises(ConfigError, match="did you mean 'codec'"):
        Config().with_overrides(codex="h264")


def test_the_options_of_functions_are_those_of_the_command_line():
    assert set(FuseOptions.__annotations__) == set(OPTION_KEYS)
    assert set(LiveOptions.__annotations__) == {*CommonOptions.__annotations__, *LiveConfig.model_fields} - {
        "camera"
    }
