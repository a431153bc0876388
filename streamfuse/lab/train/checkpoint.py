"""The state of a training run on disk, so that the next run goes on where this one ended."""

from __future__ import annotations

import io
from pathlib import Path
from pickle import UnpicklingError

import torch

from streamfuse.core.output_file import write_bytes_file
from streamfuse.errors import WeightsError
from streamfuse.fusion.models import read_card
from streamfuse.lab.train.learner import Learner


def store(path: Path, learners: dict[str, Learner], step: int) -> None:
    """Write the state after `step` steps.

    Raises:
        OutputError: it cannot be written; the checkpoint before is kept.
    """
    state = {"step": step, "learners": {name: learner.state() for name, learner in learners.items()}}
    data = io.BytesIO()
    torch.save(state, data)
    write_bytes_file(path, data.getvalue())


def restore(path: Path, learners: dict[str, Learner]) -> int:
    """Give the learners the state in `path`; returns the steps done, 0 where there is no such file.

    Raises:
        WeightsError: damaged, no checkpoint at all, or one of other networks.
    """
    if not path.exists():
        return 0
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        for name, learner in learners.items():
            learner.load(state["learners"][name])
            if not learner.is_finite():
                raise ValueError(f"{name} has weights that are not finite")
        return int(state["step"])
    except (
        OSError, EOFError, LookupError, TypeError, AttributeError, ValueError, RuntimeError, UnpicklingError,
    ) as error:  # fmt: skip
        raise WeightsError(
            f"{path} is damaged or holds other networks; move it away to start from the beginning."
        ) from error


def is_current(path: Path, step: int, share: float) -> bool:
    """Tell whether the weights file `path` is that of `step`, written with this `trained_share`."""
    try:
        card = read_card(path)
    except WeightsError:
        return False
    return (card.get("steps"), card.get("trained_share", "1")) == (str(step), f"{share:g}")
