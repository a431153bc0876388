"""What a training run is: validated, and stored beside the weights."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from streamfuse.errors import ConfigError

Term = Literal[
    "mef", "label", "tone", "contrast", "gradient", "highlights", "shadows", "temporal"
]  # of the objective; see `streamfuse.lab.train.losses`
Width = Annotated[int, Field(gt=0, le=1024)]
# Of a crop: the loss compares cells of 4 pixels that are 12 cells apart.
Side = Annotated[int, Field(ge=52)]
Rate = Annotated[float, Field(allow_inf_nan=False)]


def _checked_name(name: str) -> str:
    # It becomes a part of file names, which may have 255 bytes.
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{,99}", name):
        raise ValueError(
            f"{name!r} cannot be a network's name, which is that of its file: use letters, digits, dots, _ and -"
        )
    return name


Name = Annotated[str, AfterValidator(_checked_name)]


class NetworkConfig(BaseModel):
    """One network to train; several in a run share every batch, so that they can be compared."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    widths: tuple[Width, Width, Width, Width]
    depth: int = Field(default=1, ge=1, le=64)
    stem: int = Field(default=0, ge=0, le=1024)
    heads: int = Field(default=2, ge=1)
    long_side: int = Field(default=640, ge=64, le=65536)
    collaborate: bool = True
    attend: bool = True
    per_level: bool = True
    revise: bool = True
    learning_rate: Rate | None = Field(
        default=None, gt=0, description="peak for this network; without it, that of the run"
    )
    without: tuple[Term, ...] = Field(
        default=(), description="terms of the objective to leave out (ablation)"
    )

    @model_validator(mode="after")
    def _heads_share_the_channels(self) -> Self:
        if self.widths[-1] % self.heads:
            raise ValueError(
                f"the last width ({self.widths[-1]}) has to be a multiple of heads ({self.heads})"
            )
        return self


class TrainConfig(BaseModel):
    """A training run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    networks: dict[Name, NetworkConfig] = Field(min_length=1)
    data: Path = Field(description="folder with stills/train, stills/reference and stills/hdr")
    out: Path = Field(description="checkpoints, log and weights go here")
    held_back: tuple[str, ...] = Field(description="stacks that are never trained on: validation")
    start_from: Path | None = Field(default=None, description="folder with NAME.safetensors to begin from")
    trained_share: float = Field(
        default=1,
        gt=0,
        le=1,
        description="share of the trained weights in those that are written, the rest being those of start_from "
        "(Wortsman et al., CVPR 2022)",
    )
    steps: int = Field(gt=0)
    batch: int = Field(default=4, gt=0)
    crop: tuple[Side, Side] = (256, 384)
    learning_rate: Rate = Field(default=2e-3, gt=0)
    weight_decay: Rate = Field(default=1e-4, ge=0)
    warm_up: int = Field(default=50, ge=0)
    clip: float = Field(default=1.0, gt=0)
    ema: float = Field(default=0.995, ge=0, lt=1)
    labelled_share: float = Field(default=0.2, ge=0, le=1)
    synthetic_share: float = Field(default=0.25, ge=0, le=1)
    sequence_share: float = Field(default=0.2, ge=0, le=1)
    white_balance: float = Field(
        default=0, ge=0, le=1, description="largest |log gain| of blue and red, the same for all exposures"
    )
    white_balance_difference: float = Field(
        default=0,
        ge=0,
        le=0.2,
        description="largest |log gain| by which each exposure differs from the others",
    )
    camera_motion: float = Field(
        default=0,
        ge=0,
        le=0.25,
        description="of a camera between two frames, in sides of the picture; 0: still",
    )
    gradient: Rate = Field(default=0, ge=0, description="weight of the term `gradient`; 0 leaves it out")
    extremes: Rate = Field(
        default=0, ge=0, description="weight of the terms `highlights` and `shadows`; 0 leaves them out"
    )
    card: dict[str, str] = Field(
        default={}, description="what else stands in the weights files: licence, data, the command"
    )
    seed: int = Field(default=0, ge=0, lt=2**63)
    threads: int = Field(default=2, ge=1, le=1024, description="at most as many as there are CPUs are used")
    validate_every: int = Field(default=250, gt=0)
    device: str = "cpu"

    @model_validator(mode="after")
    def _the_rest_comes_from_somewhere(self) -> Self:
        if self.trained_share == 1:
            return self
        if self.start_from is None:
            raise ValueError(
                "trained_share below 1 needs start_from, which the rest of the weights is taken from"
            )
        # Else a run that is resumed would start from what it has written itself.
        if self.start_from.resolve() == self.out.resolve():
            raise ValueError("trained_share below 1 needs another folder for out than start_from")
        return self


def load_train_config(path: Path) -> TrainConfig:
    """Read a YAML file; relative paths in it start at the current folder.

    Raises:
        ConfigError: a file that cannot be read, not YAML, or a key or value that does not fit.
    """
    try:
        return TrainConfig.model_validate(_parsed(path))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if part != "[key]") or "the file"
        text = f"{path}: {where}: {first['msg'].removeprefix('Value error, ')}."
        raise ConfigError(" ".join(text.split())) from error


def _parsed(path: Path) -> Any:
    """Give what the YAML file holds, of any type."""
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(
            f"{path} does not exist; `streamfuse train` needs a training configuration."
        ) from error
    except IsADirectoryError as error:
        raise ConfigError(
            f"{path} is a folder; `streamfuse train` needs a training configuration, which is a YAML file."
        ) from error
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read as a training configuration: {error.strerror or error}."
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not valid YAML: it has to be text in UTF-8.") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "unreadable characters"
        raise ConfigError(f"{path} is not valid YAML{where}: {problem.removeprefix('but ')}.") from error
    except (
        ValueError,
        RecursionError,
    ) as error:  # of PyYAML: a date such as 2024-13-01, brackets without end
        raise ConfigError(f"{path} is not valid YAML: {error}.") from error
