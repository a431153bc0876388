"""What a training run is: validated, and stored beside the weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from streamfuse.errors import ConfigError, InputNotFoundError

Term = Literal[
    "mef", "label", "tone", "contrast", "gradient", "temporal"
]  # of the objective; see `streamfuse.train.losses`
Width = Annotated[int, Field(gt=0)]
Side = Annotated[int, Field(ge=32)]  # of a crop: the loss compares the tone of areas of 32 pixels


class NetworkConfig(BaseModel):
    """One network to train; several in a run share every batch, so that they can be compared."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    widths: tuple[Width, Width, Width, Width]
    depth: int = Field(default=1, ge=1)
    stem: int = Field(default=0, ge=0)
    heads: int = Field(default=2, ge=1)
    long_side: int = Field(default=640, ge=64)
    collaborate: bool = True
    attend: bool = True
    per_level: bool = True
    revise: bool = True
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

    networks: dict[str, NetworkConfig] = Field(min_length=1)
    data: Path = Field(description="folder with stills/train, stills/reference and stills/hdr")
    out: Path = Field(description="checkpoints, log and weights go here")
    held_back: tuple[str, ...] = Field(description="stacks that are never trained on: validation")
    start_from: Path | None = Field(default=None, description="folder with NAME.safetensors to begin from")
    steps: int = Field(gt=0)
    batch: int = Field(default=4, gt=0)
    crop: tuple[Side, Side] = (256, 384)
    learning_rate: float = Field(default=2e-3, gt=0)
    weight_decay: float = Field(default=1e-4, ge=0)
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
    gradient: float = Field(default=0, ge=0, description="weight of the term `gradient`; 0 leaves it out")
    seed: int = 0
    threads: int = Field(default=2, ge=1)
    validate_every: int = Field(default=250, gt=0)
    device: str = "cpu"


def load_train_config(path: Path) -> TrainConfig:
    """Read a YAML file; relative paths in it start at the current folder.

    Raises:
        InputNotFoundError: no such file.
        ConfigError: not YAML, or a key or value that does not fit.
    """
    if not path.is_file():
        raise InputNotFoundError(f"{path} does not exist; `streamfuse train` needs a training configuration.")
    try:
        return TrainConfig.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid YAML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ConfigError(f"{path}: {where}: {first['msg'].removeprefix('Value error, ')}.") from error
