"""Tables on video: against the oracle, labels, motion, steadiness, noise, and footage of several kinds."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from figures_parts import Json, read, table


def oracle() -> str:
    """PSNR to the oracle: whole picture / where it moves."""
    by_clip: dict[tuple[str, float], dict[str, Any]] = {}
    for row in read("video-oracle")["rows"]:
        by_clip.setdefault((row["clip"], row["gap_ev"]), {})[row["method"]] = row
    methods = {
        "streamfuse": "streamfuse `balanced`",
        "dis": "DIS matched + Mertens",
        "mtb": "AlignMTB + Mertens",
    }

    def cell(rows: Json, part: str) -> str:
        found = next((r for name, r in rows.items() if part in name.lower()), None)
        return f"{found['psnr']:.1f} / {found['motion_psnr']:.1f}" if found else "-"

    rows = [
        [f"{clip.removesuffix('.mp4')}, {gap:g} EV", *(cell(found, part) for part in methods)]
        for (clip, gap), found in by_clip.items()
    ]
    return table(["clip, gap", *methods.values()], rows)


def fast() -> str:
    """PSNR to the oracle of `fast`, clip by clip, beside AlignMTB, at 640 and at 1280 columns."""
    cells = []
    for name in ("video-fast", "video-fast-1280"):
        found = read(name)
        rows = {(row["clip"], row["gap_ev"], row["method"]): row for row in found["rows"]}
        for clip, gap in dict.fromkeys((row["clip"], row["gap_ev"]) for row in found["rows"]):
            mine = {method: row for (c, g, method), row in rows.items() if (c, g) == (clip, gap)}
            ours = next(row for method, row in mine.items() if method.startswith("streamfuse"))
            both = (ours, mine["AlignMTB + MergeMertens"])
            figures = (f"{row['psnr']:.1f} / {row['motion_psnr']:.1f}" for row in both)
            cells.append([f"{Path(clip).stem}, {gap:g} EV", f"{ours['width']}", *figures])
    return table(["clip, gap", "columns", "streamfuse `fast`", "AlignMTB + Mertens"], cells)


def labels() -> str:
    """Wrong labels, whatever happens in the scene."""
    rows = []
    drifting = ", 1 % out of order, exposure that swings by 1 EV"
    for name, extra in (("video-labels", ""), ("video-labels-order", drifting), ("video-labels-light", "")):
        found = read(name)["rows"]
        for scenario in dict.fromkeys(row["scenario"] for row in found):
            mine = [row for row in found if row["scenario"] == scenario]
            gaps = sorted({row["gap_ev"] for row in mine})
            wrong, frames = sum(row["wrong"] for row in mine), sum(row["frames"] for row in mine)
            longest = max(row["brackets_until_right"] for row in mine)
            scene = scenario + extra
            rows.append([scene, f"{gaps[0]:g} to {gaps[-1]:g}", f"{wrong} of {frames}", str(longest)])
    return table(["scene", "EV", "wrong labels", "brackets until right again, at most"], rows)


def flow() -> str:
    """End-point error against exact motion."""
    rows = [
        [f"{row['gap_ev']:g} EV", str(row["clips"]), f"{row['epe']:.2f}", f"{100 * row['over_3px']:.1f} %"]
        for row in read("video-flow")["means"]
    ]
    return table(["", "panoramas", "end-point error, pixels", "over 3 pixels"], rows)


def ablation() -> str:
    """Stages switched off: mean over the clips."""
    found = read("video-ablation")["rows"]
    measures = (
        ("psnr", 1),
        ("motion_psnr", 1),
        ("motion_p99", 0),
        ("afo_mean", 2),
        ("afo_global", 2),
        ("warping_ratio", 2),
    )
    rows = []
    for method in dict.fromkeys(row["method"] for row in found):
        mine = [row for row in found if row["method"] == method]
        means = [sum(row[m] for row in mine) / len(mine) for m, _ in measures]
        rows.append(
            [method, *(f"{mean:.{digits}f}" for mean, (_, digits) in zip(means, measures, strict=True))]
        )
    head = ["", "PSNR", "PSNR in motion", "99th percentile there", "AFo mean", "AFo global", "warping ratio"]
    return table(head, rows)


def steadiness() -> str:
    """Pumping and flicker of the mean luma, of the footage, fused, and of the oracle."""
    kinds = {
        "video-flicker-off": "lamps that ripple by 5 %",
        "video-flicker-on": "the same, `--deflicker on`",
        "video-drift": "exposure that swings by 1 EV",
    }
    rows = [
        [
            f"{Path(row['clip']).stem}, {kind}",
            *(f"{row[name]:.2f} %" for name in ("ripple_lit", "ripple", "ripple_oracle")),
            f"{row['afo_global']:.2f}",
        ]
        for name, kind in kinds.items()
        for row in read(name)["rows"]
    ]
    return table(["", "ripple, both exposures as lit", "fused", "oracle", "AFo global"], rows)


def shadow_noise() -> str:
    """Noise in the shadows, by the exposure of the reference."""
    kinds = ("brought up", "dark reference", "bright reference", "one instant")
    rows = [
        [f"{row['gap_ev']:g} EV, align {row['align']}", *(f"{row[kind]:.2f}" for kind in kinds)]
        for row in read("video-noise")["rows"]
    ]
    head = [
        "",
        "dark frame brought up",
        "fused, dark reference",
        "fused, bright reference",
        "both of one instant",
    ]
    return table(head, rows)


def degraded() -> str:
    """What each thing that real cameras do costs, against the oracle of the clean exposures, and where it is lost."""
    rows = read("video-degraded")["rows"]
    clean = {row["clip"]: row for row in rows if row["degrade"] == "none"}
    lines = []
    for row in rows:
        told, right = row["degrade"] != "none", clean[row["clip"]]
        change = [f" ({row[name] - right[name]:+.1f})" if told else "" for name in ("psnr", "motion_psnr")]
        alike = row["psnr_lit"]
        both = -10 * math.log10(10 ** (-right["psnr"] / 10) + 10 ** (-alike / 10)) if told else None
        lines.append(
            [
                Path(row["clip"]).stem,
                row["degrade"],
                f"{row['psnr']:.1f}{change[0]}",
                *("-" if value is None else f"{value:.1f}" for value in (row["psnr_frames"], alike, both)),
                f"{row['motion_psnr']:.1f}{change[1]}",
                f"{row['afo_mean']:.2f}",
                f"{row['labels_wrong_per_1000']:.0f}",
            ]
        )
    head = [
        "clip", "", "PSNR", "the frames' own", "both exposures of that instant, degraded alike",
        "that and what clean frames lose", "in motion", "AFo mean", "wrong labels of 1000",
    ]  # fmt: skip
    return table(head, lines)


def footage_kinds() -> str:
    """Three clips of each kind of footage that is not one clean alternation."""
    rows = [
        [
            row["kind"], Path(row["clip"]).stem, f"{row['apart']}", f"{row['ripple']:.2f} / {row['ripple_oracle']:.2f}",
            f"{row['mean_off']:.1f}", ", ".join(row["misses"]) or "-",
        ]
        for row in read("footage-kinds")["rows"]
    ]  # fmt: skip
    return table(
        ["kind", "clip", "off where nothing has a partner", "ripple / oracle's", "worst mean", "missed"], rows
    )


def hard_set() -> str:
    """Fast motion and clipped skies, without and with smoothing."""
    rows = []
    for row in read("hard-set")["rows"]:
        plain, smooth = row["plain"], row["smooth"]
        pairs = (
            f"{plain[m]:.{d}f} / {smooth[m]:.{d}f}"
            for m, d in (("psnr", 1), ("afo_global", 2), ("afo_mean", 2))
        )
        ripple = f"{smooth['ripple'] / smooth['ripple_oracle']:.2f}"
        misses = ", ".join(row["misses"]).replace("_", " ") or "-"
        rows.append([row["name"].replace("_1k.hdr", "").replace(".hdr", "").replace(".mp4", ""), row["half"],
                     *pairs, ripple, misses, _at_best(row.get("bound"))])  # fmt: skip
    head = [
        "scene, motion, gap",
        "half",
        "PSNR",
        "AFo global",
        "AFo mean",
        "ripple / oracle's",
        "beyond the bar",
        "at best",
    ]
    return table(head, rows)


def _at_best(bound: Json | None) -> str:
    """PSNR, AFo global / mean and ripple of a bound, and what of the bar it misses, too."""
    if bound is None:
        return "-"
    afo = f"{bound['afo_global']:.2f} / {bound['afo_mean']:.2f}"
    ripple = f"{bound['ripple'] / bound['ripple_oracle']:.2f}"
    misses = ", ".join(bound["misses"]).replace("_", " ") or "meets the bar"
    return f"{bound['psnr']:.1f}; {afo}; {ripple}: {misses}"
