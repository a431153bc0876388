"""`streamfuse evaluate ablation`: what each part of alignment and smoothing is worth, on the same frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from streamfuse.config import Config
from streamfuse.lab.evaluate.videos import Oracle, VideoTrial, figures_of, line, row_of, score_config

SETTINGS: Mapping[str, Mapping[str, object]] = MappingProxyType(
    {
        "everything": {},
        "no alignment": {"align": "off"},
        "global motion": {"align": "global"},
        "no ghost fallback": {"ghost": False},
        "no denoising": {"denoise": False},
        "no smoothing": {"smooth": False},
        "with damping of flicker": {"deflicker": True},
        "no ghost fallback, no smoothing": {"ghost": False, "smooth": False},
        "nothing": {"align": "off", "ghost": False, "smooth": False},
    }
)
"""Name -> what differs from the configuration."""


def evaluate_ablation(
    trials: Sequence[VideoTrial],
    config: Config,
    *,
    settings: Mapping[str, Mapping[str, object]] = SETTINGS,
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Score every trial with every setting, against one oracle; the result is what `--json` writes.

    Args:
        trials: which clips, how filmed.
        config: with everything on.
        settings: name -> options as `Config.with_overrides` takes them.
        say: gets a line per score.
    """
    rows = []
    for trial in trials:
        clip, camera = trial.filmed()
        oracle = Oracle(config)
        for name, changes in settings.items():
            changed = config.with_overrides(**changes)
            score = score_config(clip, changed, oracle, name=name, camera=camera)
            say(line(score, trial.gap_ev))
            rows.append(row_of(trial, score))
    return figures_of(rows, config)
