"""Sums up how near the fused frames of one clip come to their oracle."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import cv2
import numpy as np

from streamfuse.core.color_info import chroma_range
from streamfuse.core.frame import Frame, Plane, Rgb
from streamfuse.lab.evaluate import metrics
from streamfuse.lab.evaluate.extremes import ExtremesMeter
from streamfuse.lab.evaluate.frame_measures import MEASURES, PSNR_CAP
from streamfuse.lab.evaluate.metrics import Flow, Luma, Mask
from streamfuse.lab.evaluate.simulate import SimulatedClip


@dataclass(frozen=True, slots=True)
class ClipScore:
    """How near a method comes to its oracle on one clip.

    Args:
        method, clip: names.
        psnr, ssim: of luma, mean over frames; dB (equal frames count as 100), 1.
        chroma_psnr: of Cb and Cr together; not a number for baselines, which are scored on luma.
        motion_psnr: in the motion mask.
        motion_chroma_psnr: of Cb and Cr there: colour fringes; not a number for baselines.
        motion_p99: 99th percentile of the error there, 8-bit code values, mean over frames.
        motion_share: share of the pixels in the mask.
        afo_mean, afo_p99, afo_global: AFo over blocks, and of the whole picture; 8-bit code values.
        afo_chance: mean AFo that errors as large give without any alternation: see `AlternationFlicker.chance`.
        afi, afi_oracle: alternation without a reference, percent; what the oracle has is the scene's own.
        ripple, ripple_oracle: how much the mean luma jumps from frame to frame, percent (see `metrics.ripple`).
        ripple_lit: the same of the fusion of what the camera saw at each instant, flicker of the light included.
        warping_error, warping_error_oracle: mean squared difference along the motion.
        warping_ratio: of the two, on frames where both are known.
        frames_in, frames_out: given and got.
        delay_frames: frames that had to come in after a reference before its picture came out, in the end
            (before the clip ended); None where everything was held to the end.
        delay_frames_max: the most there ever were, such as while the exposures were being recognised.
        labels_wrong_per_1000: frames whose exposure was taken for another one; None for baselines, which are told.
        brackets_until_right: longest run of wrong labels, in brackets, rounded up.
        epe, over_3px: error of the flow between instants against the exact one, in px, and share of the pixels
            over 3 px; None where the exact flow is not known.
        clipped, highlights_contrast, hue, saturation, shadows_level, shadows_contrast, darker, brighter: as in
            `extremes.Extremes`, of what comes out against the exposures of its instant, mean over frames; None for
            baselines, grey clips, and where hardly any pixel is known by one exposure alone.
        psnr_lit, motion_psnr_lit: `psnr` and `motion_psnr` of the fusion of both exposures of each instant as the
            camera saw them: what the frames themselves have lost; None where nothing flickers or degrades them.
        psnr_frames: of luma of those frames that came in changed, against themselves unchanged; None likewise.
        more: all measures of `frame_measures` that have no field here, by name.
    """

    method: str
    clip: str
    psnr: float
    ssim: float
    chroma_psnr: float
    motion_psnr: float
    motion_p99: float
    motion_share: float
    afo_mean: float
    afo_p99: float
    afo_global: float
    afo_chance: float
    afi: float
    afi_oracle: float
    ripple: float
    ripple_oracle: float
    ripple_lit: float
    warping_error: float
    warping_error_oracle: float
    warping_ratio: float
    frames_in: int
    frames_out: int
    delay_frames: int | None
    delay_frames_max: int | None
    labels_wrong_per_1000: float | None = None
    brackets_until_right: int | None = None
    epe: float | None = None
    over_3px: float | None = None
    motion_chroma_psnr: float = math.nan
    clipped: float | None = None
    highlights_contrast: float | None = None
    hue: float | None = None
    saturation: float | None = None
    shadows_level: float | None = None
    shadows_contrast: float | None = None
    darker: float | None = None
    brighter: float | None = None
    psnr_lit: float | None = None
    motion_psnr_lit: float | None = None
    psnr_frames: float | None = None
    more: Mapping[str, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """For JSON: what is not a number is None; `more` stands beside the others."""
        values = asdict(self)
        values |= values.pop("more")
        return {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in values.items()
        }


_FIELDS = {field.name for field in fields(ClipScore)}


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """One scored frame, for whoever watches.

    Args:
        index: of the frame in the clip.
        fused, oracle: (H, W) luma in [0, 1].
        moving: (H, W) bool, the motion mask.
        values: what was measured on this frame, by name.
    """

    index: int
    fused: Luma
    oracle: Luma
    moving: Mask
    values: Mapping[str, float]


Watch = Callable[[Seen], None]


class Meter:
    """Takes the fused frames of one clip in order and sums up.

    Args:
        clip: the source and its truth.
        watch: called with every frame after it has been scored.
    """

    def __init__(self, clip: SimulatedClip, watch: Watch | None = None) -> None:
        self._clip = clip
        self._watch = watch
        self._values: dict[str, list[float]] = {}
        self._flicker = metrics.AlternationFlicker(clip.cycle)
        self._flicker_oracle = metrics.AlternationFlicker(clip.cycle)
        self._before: tuple[int, Luma, Luma] | None = None  # instant, fused, oracle
        self._mask: Mask | None = None  # of the frame that was added last
        self._delays: list[int] = []

    def add(self, index: int, fused: Luma, oracle: Luma, delay: int | None, lit: Luma | None = None) -> None:
        """One frame: its number in the clip, luma in [0, 1], and its delay (None: held to the end).

        `lit` is the fusion of what the camera saw then, where that is not the oracle.
        """
        instant, rank = self._clip.truth[index].instant, self._clip.truth[index].rank
        moving = self._mask = self._moving(instant)
        values = {name: measure.of(fused, oracle, moving) for name, measure in MEASURES.items()}
        values |= {
            "motion_share": float(moving.mean()),
            "mean": float(fused.mean()),
            "mean_oracle": float(oracle.mean()),
            "mean_lit": float((oracle if lit is None else lit).mean()),
        }
        if lit is not None:
            lost = {name: MEASURES[name].of(lit, oracle, moving) for name in ("psnr", "motion_psnr")}
            values |= {f"{name}_lit": value for name, value in lost.items()}
        values |= self._warping(instant, fused, oracle)
        for name, value in values.items():
            self._values.setdefault(name, []).append(value)
        self._flicker.add(fused, oracle, rank)
        self._flicker_oracle.add(oracle, oracle, rank)
        if delay is not None:
            self._delays.append(delay)
        if self._watch is not None:
            self._watch(Seen(index, fused, oracle, moving, values))

    def add_chroma(self, fused: Sequence[Plane], oracle: Sequence[Plane], like: Frame) -> None:
        """Cb and Cr of the frame that was added last; none of a grey frame."""
        if fused:
            scale = np.float32(0.5 / chroma_range(like.bits, like.color.full_range)[1])
            pictures = [np.stack(planes).astype(np.float32) * scale for planes in (fused, oracle)]
            self._values.setdefault("chroma_psnr", []).append(min(metrics.psnr(*pictures), PSNR_CAP))
            if self._mask is not None:
                size = fused[0].shape[::-1]
                small = cv2.resize(self._mask.astype(np.uint8), size, interpolation=cv2.INTER_AREA) > 0
                there = metrics.psnr(*(picture[:, small] for picture in pictures))
                self._values.setdefault("motion_chroma_psnr", []).append(min(there, PSNR_CAP))

    def add_taken(self, seen: Luma, right: Luma) -> None:
        """Luma of the frame that came in, and as it would have been; one that is unchanged does not count."""
        if (seen != right).any():
            self._values.setdefault("psnr_frames", []).append(metrics.psnr(seen, right))

    def add_extremes(self, fused: Rgb, exposures: Sequence[Rgb]) -> None:
        """The frame that was added last and the exposures of its instant, darkest first, (H, W, 3)."""
        found = asdict(ExtremesMeter(tuple(exposures)).measure(fused))
        for name, value in found.items():
            if value is not None:
                self._values.setdefault(name, []).append(value)

    def score(self, method: str) -> ClipScore:
        """Give what all frames come to."""
        afo = self._flicker.afo()
        mean = {name: metrics.mean(values) for name, values in self._values.items()}
        warping, ideal = (mean.get(f"warping_error{end}", math.nan) for end in ("", "_oracle"))
        return ClipScore(
            method=method,
            clip=self._clip.info.name,
            psnr=mean.get("psnr", math.nan),
            ssim=mean.get("ssim", math.nan),
            chroma_psnr=mean.get("chroma_psnr", math.nan),
            motion_psnr=mean.get("motion_psnr", math.nan),
            motion_p99=mean.get("motion_p99", math.nan),
            motion_share=mean.get("motion_share", math.nan),
            afo_mean=float(afo.mean()) if afo.size else math.nan,
            afo_p99=float(np.percentile(afo, 99)) if afo.size else math.nan,
            afo_global=self._flicker.afo_global(),
            afo_chance=self._flicker.chance(),
            afi=self._flicker.afi(),
            afi_oracle=self._flicker_oracle.afi(),
            ripple=metrics.ripple(self._values.get("mean", ())),
            ripple_oracle=metrics.ripple(self._values.get("mean_oracle", ())),
            ripple_lit=metrics.ripple(self._values.get("mean_lit", ())),
            warping_error=warping,
            warping_error_oracle=ideal,
            warping_ratio=warping / ideal if ideal > 0 else math.nan,
            frames_in=len(self._clip),
            frames_out=len(self._values.get("psnr", [])),
            delay_frames=self._delays[-1] if self._delays else None,
            delay_frames_max=max(self._delays, default=None),
            motion_chroma_psnr=mean.get("motion_chroma_psnr", math.nan),
            clipped=mean.get("clipped"),
            highlights_contrast=mean.get("highlights_contrast"),
            hue=mean.get("hue"),
            saturation=mean.get("saturation"),
            shadows_level=mean.get("shadows_level"),
            shadows_contrast=mean.get("shadows_contrast"),
            darker=mean.get("darker"),
            brighter=mean.get("brighter"),
            psnr_lit=mean.get("psnr_lit"),
            motion_psnr_lit=mean.get("motion_psnr_lit"),
            psnr_frames=mean.get("psnr_frames"),
            more={name: mean.get(name, math.nan) for name in MEASURES if name not in _FIELDS},
        )

    def _moving(self, instant: int) -> Mask:
        """Tell where the scene differs from the instant before or after: where a ghost can come from."""
        now = self._clip.scene_lumas(instant)
        neighbours = [t for t in (instant - 1, instant + 1) if 0 <= t < self._clip.instants]
        moving = np.zeros(now[0].shape, np.bool_)
        for other in neighbours:
            moving |= metrics.motion_mask(now, self._clip.scene_lumas(other))
        return moving

    def _warping(self, instant: int, fused: Luma, oracle: Luma) -> dict[str, float]:
        """Warping error to the frame before, of both; nothing where there is none."""
        before, self._before = self._before, (instant, fused, oracle)
        if before is None or before[0] == instant:
            return {}
        then, fused_then, oracle_then = before
        forward, backward = self._scene_flow(then, instant), self._scene_flow(instant, then)
        seen = metrics.consistent(forward, backward)
        return {
            "warping_error": metrics.warping_error(fused_then, fused, forward, seen),
            "warping_error_oracle": metrics.warping_error(oracle_then, oracle, forward, seen),
        }

    def _scene_flow(self, now: int, then: int) -> Flow:
        """Flow of the clean scene; the mean of all exposures shows both its shadows and its lights."""
        pictures = [
            np.round(np.mean(self._clip.scene_lumas(instant), axis=0) * 255).astype(np.uint8)
            for instant in (now, then)
        ]
        return metrics.dense_flow(*pictures, preset=cv2.DISOPTICAL_FLOW_PRESET_FAST)
