"""What a simulated clip looked like: curves over time, the worst frame and its neighbours, a column of pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from streamfuse.core.color import to_8_bit
from streamfuse.lab.evaluate.baselines import BASELINES
from streamfuse.lab.evaluate.frame_measures import MEASURES
from streamfuse.lab.evaluate.meter import ClipScore, Seen, Watch
from streamfuse.lab.evaluate.plot import line_chart
from streamfuse.lab.evaluate.report import ReportWriter
from streamfuse.lab.evaluate.simulate import SimulatedClip
from streamfuse.lab.evaluate.table import Table

Grey = npt.NDArray[np.uint8]  # (H, W)

_CROP = 128  # side of the magnified part of the worst frame
_ZOOM = 3
_AROUND = 3  # frames before and after the worst one
_AMPLIFIED = 8  # times, in difference maps
_COLUMN_ZOOM = 6  # width of one instant in a picture of a column over time


@dataclass(eq=False)
class _Track:
    """What is kept of one method."""

    values: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    fused: dict[int, Grey] = field(default_factory=dict)
    oracle: dict[int, Grey] = field(default_factory=dict)

    def add(self, seen: Seen) -> None:
        for name, value in seen.values.items():
            self.values.setdefault(name, []).append((seen.index, value))
        self.fused[seen.index] = _bytes(seen.fused)
        self.oracle[seen.index] = _bytes(seen.oracle)


class VideoReport:
    """Collects the frames of one clip after the other and writes them into a page.

    Args:
        page: an open report.
    """

    def __init__(self, page: ReportWriter) -> None:
        self._page = page
        self._title = ""
        self._clip: SimulatedClip | None = None
        self._tracks: dict[str, _Track] = {}

    def begin(self, title: str, clip: SimulatedClip) -> None:
        """The next clip."""
        self._title, self._clip = title, clip
        self._tracks = {}

    def watch(self, method: str) -> Watch:
        """Takes the frames of a method; the first one asked for is the one that the report is about."""
        return self._tracks.setdefault(method, _Track()).add

    def watches(self) -> Mapping[str, Watch]:
        """Give the same for the baselines."""
        names = [*BASELINES, f"{list(BASELINES)[-1]} + recursive average"]
        return {name: self.watch(name) for name in names}

    def end(self, scores: Sequence[ClipScore]) -> None:
        """Write everything about this clip."""
        assert self._clip is not None
        self._page.heading(self._title, score_table(scores))
        self._tracks = {name: track for name, track in self._tracks.items() if track.fused}
        if self._tracks:
            self._page.plots(_charts(self._tracks))
            self._worst_frame(next(iter(self._tracks)))
        self._tracks = {}

    def _worst_frame(self, method: str) -> None:
        assert self._clip is not None
        own = self._tracks[method]
        worst = min(own.values["motion_psnr"] or own.values["psnr"], key=lambda point: _number(point[1]))
        index = int(worst[0])
        error = np.abs(own.fused[index].astype(np.float32) - own.oracle[index])
        x, y = _place(error)
        self._page.strip(
            f"Worst frame ({index}, {worst[1]:.1f} dB in motion): error of each method x {_AMPLIFIED}",
            {
                name: _difference(track.fused[index], track.oracle[index])
                for name, track in self._tracks.items()
                if index in track.fused
            },
        )
        box = _box(x, y, error.shape)
        ranks = [
            to_8_bit(frame.rgb())[box] for frame in self._clip.exposures(self._clip.truth[index].instant)
        ]
        crops = {
            "darkest exposure of this instant": ranks[0],
            "brightest exposure": ranks[-1],
            "oracle": own.oracle[index][box],
            method: own.fused[index][box],
        }
        for name, track in list(self._tracks.items())[1:]:
            if index in track.fused:
                crops[name] = track.fused[index][box]
        self._page.strip(f"Where it is worst, at {x}, {y}", crops, zoom=_ZOOM)
        around = [i for i in sorted(own.fused) if abs(i - index) <= _AROUND]
        for what, frames in (("fused", own.fused), ("oracle", own.oracle)):
            self._page.strip(
                f"The same place before and after: {what}", {f"{i}": frames[i][box] for i in around}, zoom=2
            )
        self._columns(x)
        self._page.comparison(
            f"{self._title}, frame {index}: luma", {"oracle": own.oracle[index], method: own.fused[index]}
        )

    def _columns(self, x: int) -> None:
        """A column of pixels over time: flicker and pumping show as stripes, ghosts as smears along the edges."""
        assert self._clip is not None
        inputs = [to_8_bit(frame.rgb())[:, x] for frame in self._clip]
        own = next(iter(self._tracks.values()))
        slices = {"input": np.stack(inputs, axis=1), "oracle": _slice(own.oracle, x)}
        slices |= {name: _slice(track.fused, x) for name, track in self._tracks.items()}
        wide = {name: np.repeat(picture, _COLUMN_ZOOM, axis=1) for name, picture in slices.items()}
        self._page.strip(f"Column {x} over time (one instant is {_COLUMN_ZOOM} pixels wide)", wide)


def score_table(scores: Sequence[ClipScore]) -> Table:
    """Measure all methods on one clip, a row each."""
    head = [
        "method", "PSNR", "SSIM", "PSNR in motion", "p99 error there", "AFo mean", "AFo p99", "AFo global", "AFi %",
        "ripple %", "warping / oracle's", "labels wrong per 1000", "EPE px", "delay",
        *(MEASURES[name].heading for name in (scores[0].more if scores else ())),
    ]  # fmt: skip
    rows = [
        [
            s.method, f"{s.psnr:.2f}", f"{s.ssim:.4f}", f"{s.motion_psnr:.2f}", f"{s.motion_p99:.1f}",
            f"{s.afo_mean:.2f}", f"{s.afo_p99:.2f}", f"{s.afo_global:.2f}", f"{s.afi:.3f}", f"{s.ripple:.2f}",
            f"{s.warping_ratio:.2f}", _cell(s.labels_wrong_per_1000, "g"), _cell(s.epe, ".2f"),
            _cell(s.delay_frames, "d"), *(f"{value:.{MEASURES[name].decimals}f}" for name, value in s.more.items()),
        ]
        for s in scores
    ]  # fmt: skip
    return Table(
        head,
        rows,
        note="dB and 8-bit code values; each method is compared with the oracle, which is its own fusion of both "
        "exposures of the instant. AFo, AFi: alternation with the exposures; ripple: mean luma from frame to frame; "
        "warping: difference along the motion; EPE: error of the motion. "
        + "; ".join(f"{measure.heading}: {measure.says}" for measure in MEASURES.values())
        + ".",
    )


def _charts(tracks: Mapping[str, _Track]) -> list[str]:
    def of(name: str) -> dict[str, list[tuple[float, float]]]:
        return {method: track.values.get(name, []) for method, track in tracks.items()}

    method, own = next(iter(tracks.items()))
    return [
        line_chart(of("psnr"), title="PSNR to the oracle, dB"),
        line_chart(of("motion_psnr"), title="PSNR where things move, dB"),
        line_chart(of("motion_p99"), title="99th percentile of the error where things move, code values"),
        line_chart(
            {method: own.values["mean"], "oracle": own.values["mean_oracle"]}, title="Mean luma (1 = white)"
        ),
    ]


def _cell(value: float | None, how: str) -> str:
    return "" if value is None else format(value, how)


def _number(value: float) -> float:
    return value if np.isfinite(value) else np.inf


def _bytes(luma: npt.NDArray[np.float32]) -> Grey:
    return np.asarray(np.clip(luma * 255 + 0.5, 0, 255), np.uint8)


def _difference(picture: Grey, reference: Grey) -> Grey:
    """Mid grey where equal, brighter where the picture is too bright."""
    error = picture.astype(np.int16) - reference
    return np.clip(128 + _AMPLIFIED * error, 0, 255).astype(np.uint8)


def _place(error: npt.NDArray[np.float32]) -> tuple[int, int]:
    """Centre (x, y) of the worst neighbourhood."""
    mean = cv2.blur(error, (25, 25))
    x, y = cv2.minMaxLoc(mean)[3]
    return int(x), int(y)


def _box(x: int, y: int, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Give a square about a place, inside the picture where it is large enough."""
    spans = []
    for middle, size in ((y, shape[0]), (x, shape[1])):
        start = max(0, min(middle - _CROP // 2, size - _CROP))
        spans.append(slice(start, start + _CROP))
    return spans[0], spans[1]


def _slice(frames: Mapping[int, Grey], x: int) -> Grey:
    return np.stack([frames[index][:, x] for index in sorted(frames)], axis=1)
