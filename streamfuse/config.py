"""Settings of a run: typed models, YAML files that hold them, and errors that say which key to fix.

The files under `configs/` are instances of `Config`; `schema()` describes them to an editor.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import ErrorDetails

from streamfuse.core.arguments import described
from streamfuse.core.values import (
    CODECS,
    FUSERS,
    LOOKS,
    PRESET_NETWORK,
    AlignMode,
    Audio,
    Deinterlace,
    First,
    LookName,
    Preset,
    Rate,
    SceneTransfer,
    checked_codec,
    checked_device,
    checked_frames,
    checked_fuser,
    present_name,
)
from streamfuse.core.yaml_text import settings_in
from streamfuse.errors import ConfigError, UsageError, did_you_mean, shortened
from streamfuse.look.look import Look
from streamfuse.runtime.live.live_config import LiveConfig, OutputSpec


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class InputConfig(_Section):
    """How to read the input."""

    cycle: Annotated[int, Field(ge=2, le=5)] | None = Field(
        default=None, description="number of exposures, a hint; null: found out"
    )
    first: First | None = Field(
        default=None, description="the first exposure, a hint for frames that do not show it; null: found out"
    )
    rate: Rate = Field(
        default="full", description="full: a fused frame for every input frame; half: one for each bracket"
    )
    exposures: Path | None = Field(
        default=None, description="sidecar file that names the exposure of each frame"
    )
    offset: Annotated[float, Field(ge=-86400, le=86400)] | None = Field(
        default=None,
        description="seconds by which the second of two files, one per exposure, began later; null: found out",
    )
    deinterlace: Deinterlace = Field(
        default="auto",
        description="make whole pictures of interlaced frames; auto: of those that bear the flag",
    )
    transfer: Literal["auto", SceneTransfer] = Field(
        default="auto",
        description="of HDR: what code values mean: slog3, vlog, clog3, logc3, logc4, dlog, flog2, hlg, pq; "
        "auto: hlg and pq by the file's tag, else what the exposures tell",
    )
    frames: Annotated[str, AfterValidator(checked_frames)] | None = Field(
        default=None, description="part of the input as A:B, frame numbers from 0, B excluded; null: all"
    )

    @property
    def frame_range(self) -> tuple[int | None, int | None] | None:
        """(first, end) of `frames`, end excluded, None for an open side; None where all frames are meant."""
        if self.frames is None:
            return None
        first, end = self.frames.split(":")
        return int(first) if first else None, int(end) if end else None


class AlignConfig(_Section):
    """How to bring the exposures of one instant together."""

    mode: AlignMode = Field(
        default="flow",
        description="off: a camera and scene that stand still; global: the camera moves; flow: all moves",
    )
    ghost: bool = Field(
        default=True, description="use the reference alone where the aligned exposure disagrees with it"
    )
    denoise: bool | None = Field(
        default=None,
        description="take the noise out of a dark reference where it is used for a brighter exposure; "
        "null: unless the preset is fast",
    )
    bands: bool = Field(default=True, description="take bands of lamps out of short exposures; not live")
    preset: Preset | None = Field(
        default=None, description="effort of the alignment; null: that of fuse.preset"
    )


class FuseConfig(_Section):
    """How to fuse."""

    preset: Preset = Field(default="balanced", description="speed against quality, of all stages")
    fuser: Annotated[str, AfterValidator(checked_fuser)] | None = Field(
        default=None,
        description=f"{', '.join(FUSERS)}, a .safetensors file, or one of a package that is installed; "
        "null: that of the preset",
    )
    device: Annotated[str, AfterValidator(checked_device)] = Field(
        default="auto", description="auto, cpu, cuda or cuda:N"
    )
    threads: Annotated[int, Field(ge=1)] | None = Field(
        default=None,
        description="that work at once in a run; null: one for each CPU. Live: of the network and of OpenCV; null: "
        "half of the CPUs",
    )


class SmoothConfig(_Section):
    """How to keep the picture calm in time."""

    enabled: bool = Field(default=True, description="smooth the weight maps and the tone along the motion")
    deflicker: bool = Field(
        default=False, description="damp flicker of the whole picture (lamps on the mains); files, not live"
    )


_Amount = Annotated[float, Field(ge=-1, le=1)] | None


class LookConfig(_Section):
    """How to grade the fused pictures; `look: vivid` is short for `look: {name: vivid}`."""

    name: LookName = Field(
        default="off", description="where the numbers below come from that are null; off: all 0"
    )
    brightness: _Amount = Field(
        default=None, description="in EV, -1..1; black and white stay where they are, so that nothing clips"
    )
    contrast: _Amount = Field(default=None, description="of the mid-tones, -1..1; 0: as the network says")
    saturation: _Amount = Field(default=None, description="-1 (grey) to 1; 0: as the network says")
    highlights: _Amount = Field(
        default=None, description="-1..1; below 0: bright parts get darker and richer in contrast"
    )
    shadows: _Amount = Field(default=None, description="-1..1; above 0: dark parts get brighter")
    detail: _Amount = Field(
        default=None, description="local contrast, -1 (soft) to 1; 0: as the network says"
    )
    lut: Path | None = Field(default=None, description="a .cube file, applied last; null: none")

    @property
    def look(self) -> Look:
        """Give the look that all of it means."""
        numbers = {**LOOKS[self.name], **self.model_dump(exclude={"name", "lut"}, exclude_none=True)}
        return Look(**numbers, lut=self.lut)


class OutputConfig(_Section):
    """What to write."""

    codec: Annotated[str, AfterValidator(checked_codec)] | None = Field(
        default=None, description=f"{', '.join(CODECS)}, or an encoder of FFmpeg; null: that of the container"
    )
    crf: Annotated[float, Field(ge=0, le=63)] | None = Field(
        default=None, description="constant rate factor, lower is better; null: close to the input by eye"
    )
    speed: str | None = Field(
        default=None, description="of the encoder; null: the codec's usual one, a quick one with preset fast"
    )
    bits: Literal[8, 10, 12, 16] | None = Field(
        default=None, description="bit depth; null: that of the input"
    )
    pix_fmt: str | None = Field(
        default=None,
        pattern="^[a-z0-9]+$",
        description="pixel format such as yuv420p10le; null: like the input",
    )
    side_by_side: bool = Field(
        default=False, description="write the input and the fused picture next to each other"
    )
    audio: Audio = Field(
        default="auto",
        description="auto: copy sound, convert what the container cannot hold; copy: never convert; none: leave it out",
    )
    hdr: Literal["off", "hlg", "pq", "linear", "log"] = Field(
        default="off",
        description="off: fused for ordinary screens; hlg, pq: the exposures merged into radiance, as HDR video; "
        "linear: as it is, for .exr and .hdr pictures; log: as ACEScct, for .png and .tif pictures",
    )
    peak_nits: Annotated[float, Field(ge=203, le=10000)] | None = Field(
        default=None, description="of hdr: pq, the luminance in cd/m2 that nothing exceeds; null: 1000"
    )
    white: Annotated[float, Field(ge=-6, le=16)] | None = Field(
        default=None,
        description="of hdr: how many EV diffuse white lies below what clips in the darkest exposure; "
        "null: as makes the first bracket of usual brightness",
    )
    overwrite: bool = Field(default=False, description="replace an output that is there already")


class Config(_Section):
    """All settings of a run. Immutable; `with_overrides` makes another one."""

    input: InputConfig = InputConfig()
    align: AlignConfig = AlignConfig()
    fuse: FuseConfig = FuseConfig()
    smooth: SmoothConfig = SmoothConfig()
    look: LookConfig = LookConfig()
    output: OutputConfig = OutputConfig()
    live: LiveConfig = LiveConfig()

    @field_validator("smooth", mode="before")
    @classmethod
    def _switch(cls, value: object) -> object:
        """`smooth: off` is short for `smooth: {enabled: off}`."""
        if isinstance(value, dict):
            return {present_name(key): setting for key, setting in value.items()}
        return {"enabled": value} if isinstance(value, (bool, str)) else value

    @field_validator("look", mode="before")
    @classmethod
    def _named(cls, value: object) -> object:
        """`look: vivid` is short for `look: {name: vivid}`."""
        return {"name": value} if isinstance(value, str) else value

    @property
    def fuser_name(self) -> str:
        """Give the fuser to use: the one that is set, else that of the preset."""
        return self.fuse.fuser or PRESET_NETWORK[self.fuse.preset]

    @property
    def align_preset(self) -> Preset:
        """Give the alignment preset to use: the one that is set, else that of the fusion."""
        return self.align.preset or self.fuse.preset

    @property
    def denoise(self) -> bool:
        """Tell whether to denoise: as it is set, else by the preset."""
        return self.align_preset != "fast" if self.align.denoise is None else self.align.denoise

    def with_overrides(self, **options: object) -> Config:
        """Give these settings with some replaced.

        Args:
            **options: command-line options as `OPTION_KEYS` names them (`preset`, `align`, `smooth`, `codec`,
                ...) and their values; None means not given.

        Raises:
            ConfigError: no such option, or a value that does not fit.

        Example:
            >>> config = Config().with_overrides(preset="fast", codec="hevc")
            >>> config.fuse.preset, config.output.codec
            ('fast', 'hevc')
        """
        settings = self.model_dump()
        for option, value in {present_name(name): value for name, value in options.items()}.items():
            if option not in OPTION_KEYS:
                near = did_you_mean(option, OPTION_KEYS)
                raise ConfigError(f"There is no option {option!r};{near} use another.")
            if value is not None:
                section, key = OPTION_KEYS[option].split(".")
                settings[section][key] = value
        # A preset on the command line is meant for everything that is not asked for there as well.
        if options.get("preset") is not None:
            settings["align"]["preset"] = None
            settings["fuse"]["fuser"] = options.get("fuser")
        # And so is a look: the numbers of the one before go with it.
        if options.get("look") is not None:
            asked = {key: options.get(key) for key in LookConfig.model_fields}
            settings["look"] = asked | {"name": options["look"]}
        return _validated(settings, "the options")

    def show(self) -> str:
        """Give all settings, defaults included, as YAML that `load_config` reads."""
        return str(yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True))


def configured(config: object, options: Mapping[str, object]) -> Config:
    """Settings as a caller from Python gives them: a `Config`, or None for the shipped ones, and single options.

    Raises:
        UsageError: `config` is something else.
        ConfigError: as `Config.with_overrides`.
    """
    if config is not None and not isinstance(config, Config):
        raise UsageError(
            f"config has to be a Config, and is {described(config)}: read one by streamfuse.config.load_config(NAME)."
        )
    return (config or Config()).with_overrides(**options)


# Command-line option (with underscores) -> where its value goes.
OPTION_KEYS: Mapping[str, str] = {
    **{f"{key}": f"input.{key}" for key in InputConfig.model_fields},
    **{f"{key}": f"output.{key}" for key in OutputConfig.model_fields},
    "align": "align.mode",
    "ghost": "align.ghost",
    "denoise": "align.denoise",
    "bands": "align.bands",
    "preset": "fuse.preset",
    "fuser": "fuse.fuser",
    "device": "fuse.device",
    "threads": "fuse.threads",
    "smooth": "smooth.enabled",
    "deflicker": "smooth.deflicker",
    "look": "look.name",
    **{f"{key}": f"look.{key}" for key in LookConfig.model_fields if key != "name"},
}


def load_config(source: str | Path = "default") -> Config:
    """Read settings from a YAML file, or the shipped ones of that name.

    Args:
        source: a path, or a name of `shipped_configs()` such as 'fast'.

    Raises:
        ConfigError: no such file or name, not YAML, empty, an unknown key, or a value that does not fit.

    Example:
        >>> load_config("fast").fuse.preset
        'fast'
    """
    path = shipped_configs().get(str(source), Path(source))
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        names = ", ".join(shipped_configs())
        raise ConfigError(
            f"There is no configuration {str(source)!r}:{did_you_mean(str(source), shipped_configs())}"
            f" give a YAML file, or one of {names}."
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read as a configuration: {error}.") from error
    return _validated(settings_in(text, path, Config.model_fields), str(path))


def shipped_configs() -> dict[str, Path]:
    """Give name -> file of the configurations that come with streamfuse."""
    files = sorted((Path(__file__).parent / "configs").glob("*.yaml"))
    # Training has settings of another kind.
    return {file.stem: file for file in files if not file.stem.startswith("train-")}


def schema() -> dict[str, Any]:
    """Give the JSON schema of a configuration file, `smooth: on` and `look: vivid` included."""
    found = Config.model_json_schema()
    switch = {"type": "boolean"}, {"enum": ["on", "off"]}  # for readers of YAML 1.1, and of 1.2
    smooth = found["properties"]["smooth"]
    found["properties"]["smooth"] = {"anyOf": [{"$ref": smooth.pop("$ref")}, *switch], **smooth}
    look = found["properties"]["look"]
    found["properties"]["look"] = {"anyOf": [{"$ref": look.pop("$ref")}, {"enum": list(LOOKS)}], **look}
    return found


def _validated(settings: Mapping[str, object], source: str) -> Config:
    try:
        return Config.model_validate(settings)
    except ValidationError as error:
        first, *others = error.errors()
        more = f" ({len(others)} more to fix.)" if others else ""
        raise ConfigError(f"{source}: {_explained(first)}{more}") from error


def _explained(error: ErrorDetails) -> str:
    """Give one sentence on what is wrong with one key."""
    key = ".".join(str(part) for part in error["loc"])
    value = shortened(error["input"])
    if error["type"] == "extra_forbidden":
        return f"{shortened(key)} is not a setting;{did_you_mean(key, _keys())} there are {_siblings(error['loc'])}."
    if error["type"] == "model_type":
        return f"{key!r} is {value}; it has to hold settings: {_siblings((*error['loc'], ''))}."
    if error["type"] == "literal_error":
        expected = error["ctx"]["expected"]
        near = did_you_mean(value.strip("'"), re.findall(r"'([^']+)'", expected))
        return f"{key!r} is {value};{near} it has to be {expected}."
    message = error["msg"].removeprefix("Value error, ").replace("Input should be", "it has to be")
    return f"{key!r} is {value}; {message[0].lower()}{message[1:]}."


def _keys() -> list[str]:
    """Give all sections, and all settings as section.key."""
    sections = Config().model_dump()
    keys = [f"{name}.{key}" for name, section in sections.items() for key in section]
    return [*sections, *keys, *(f"live.outputs.{key}" for key in OutputSpec.model_fields)]


def _siblings(location: tuple[int | str, ...]) -> str:
    prefix = "".join(f"{part}." for part in location[:-1] if not isinstance(part, int))
    return ", ".join(key.removeprefix(prefix) for key in _keys() if key.rpartition(".")[0] == prefix[:-1])
