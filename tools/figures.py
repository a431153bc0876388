"""Fill the tables of README.md and docs/ from benchmarks/*.json, between `<!-- figures: NAME -->` and `<!-- end -->`.

python tools/figures.py           # write
python tools/figures.py --check   # exit with 1 and name the tables that are out of date
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import figures_acceptance
import figures_formats as formats
import figures_speed as speed
from figures_parts import ROOT, Json, read, table

PAGES = (
    "README.md",
    "docs/lcndr.md",
    "docs/alignment.md",
    "docs/zmq.md",
    "docs/live.md",
    "docs/speed.md",
    "docs/formats.md",
    "docs/look.md",
)
LABELS = {
    "lcndr-xs": "`lcndr-xs` (fast)",
    "lcndr-s": "`lcndr-s` (balanced)",
    "lcndr": "`lcndr` (best)",
    "lcndr with DeepFuse's colour": "`lcndr`, colour by DeepFuse's rule",
    "opencv-mertens": "OpenCV MergeMertens",
    "enfuse": "enfuse",
    "mean": "plain mean",
}
NETWORKS = ("lcndr-xs", "lcndr-s", "lcndr")
_MARKED = re.compile(r"(<!-- figures: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def stills() -> str:
    """MEF-SSIM on half of MEFB."""
    summary = read("stills-mefb-half")["summary"]
    rows = [
        [label, f"{mef['mean']:.4f}", f"{mef['worst']:.4f}"]
        for name, label in LABELS.items()
        if name in summary and "DeepFuse" not in name and (mef := summary[name]["mef_ssim"])
    ]
    return table(["50 pairs of MEFB", "MEF-SSIM, mean", "worst pair"], rows)


def stills_detail() -> str:
    """Noise, halo and cost on half of MEFB."""
    found = read("stills-mefb-half")
    costs = {cost["method"]: cost for cost in found["costs"]}
    rows = []
    for name, label in LABELS.items():
        if name not in found["summary"] or "DeepFuse" in name:
            continue
        cost = costs.get(f"{name} (4:2:0 planes)", costs.get(name))
        spent = [f"{cost['cpu_s_per_mp']:.3f}", f"{cost['working_mb']:.0f}"] if cost else ["-", "-"]
        measures = found["summary"][name]
        rows.append([label, *(f"{measures[m]['mean']:.2f}" for m in ("noise_gain", "halo")), *spent])
    return table(["", "noise gain", "halo, code values", "CPU-s per MP", "working MB at 2 MP"], rows)


def stills_extremes() -> str:
    """Highlights and shadows on half of MEFB."""
    summary = read("stills-mefb-half")["summary"]
    rows = []
    for name, label in LABELS.items():
        if name not in summary or "DeepFuse" in name:
            continue
        measures = summary[name]
        cells = [
            f"{100 * measures['clipped']['mean']:.1f} %",
            f"{measures['highlights_contrast']['mean']:.2f}",
        ]
        cells += [f"{measures['hue']['mean']:.1f}", f"{measures['saturation']['mean']:.2f}"]
        cells += [f"{measures[m]['mean']:.2f}" for m in ("shadows_level", "shadows_contrast")]
        cells += [f"{measures[m]['mean']:.2f}, {measures[m]['worst']:.2f} %" for m in ("darker", "brighter")]
        rows.append([label, *cells])
    head = [
        "",
        "highlights clipped",
        "contrast",
        "hue",
        "saturation",
        "shadows' level",
        "contrast",
        "darker",
        "brighter",
    ]
    return table(head, rows)


def worst() -> str:
    """The five worst pairs of each network."""
    summary = read("stills-mefb-half")["summary"]
    return "".join(
        f"- `{name}`: "
        + ", ".join(f"{scene} {value:.3f}" for scene, value in summary[name]["mef_ssim"]["worst_five"])
        + "\n"
        for name in NETWORKS
    )


def sice() -> str:
    """The three references that were held back."""
    scores = read("stills-sice")["scores"]
    scenes = sorted({s["scene"] for s in scores})
    rows = []
    for name, label in LABELS.items():
        mine = {s["scene"]: s for s in scores if s["method"] == name}
        if not mine:
            continue
        cells = [f"{mine[scene]['psnr']:.1f} / {mine[scene]['ssim']:.3f}" for scene in scenes]
        means = [
            sum(s[m] for s in mine.values()) / len(mine) for m in ("psnr", "ssim", "delta_e", "delta_color")
        ]
        rows.append([label, *cells, f"{means[0]:.1f} / {means[1]:.3f}", f"{means[2]:.1f}", f"{means[3]:.1f}"])
    head = ["", *scenes, "mean PSNR / SSIM", "CIEDE2000", "at the reference's lightness"]
    return table(head, rows)


def held_back() -> str:
    """Stacks that were held back, with more than two exposures."""
    rows = []
    for name in NETWORKS:
        cells = []
        for count in (3, 5):
            scores = read(f"stills-held-back-{count}")["scores"]
            ours = {s["scene"]: s["mef_ssim"] for s in scores if s["method"] == name}
            theirs = {s["scene"]: s["mef_ssim"] for s in scores if s["method"] == "opencv-mertens"}
            above = sum(ours[scene] > theirs[scene] for scene in ours)
            means = [sum(x.values()) / len(x) for x in (ours, theirs)]
            cells.append(f"{above} of {len(ours)} ({means[0]:.4f}, Mertens {means[1]:.4f})")
        rows.append([LABELS[name], *cells])
    return table(["above Mertens on", "3 exposures", "5 exposures"], rows)


def tone() -> str:
    """Change of tone when a picture is doubled, by its long side: the largest over all stacks, in percent."""
    rows = read("stills-tone")["rows"]
    sides = list(dict.fromkeys(row["long_side"] for row in rows))
    cells = [
        [
            f"{LABELS[name]}, {kind.replace('_', ' ')}",
            *(f"{100 * row[kind]['largest']:.1f}" for row in rows if row["fuser"] == name),
        ]
        for name in NETWORKS
        for kind in ("reduced", "enlarged", "one_more")
    ]
    return table(["% of the range, from a long side of", *map(str, sides)], cells)


def ablation() -> str:
    """Small networks with one part or one term of the objective left out."""
    found = read("ablation")
    measures = (
        ("mef_ssim", 4),
        ("mef_ssim_worst", 4),
        ("label_psnr", 1),
        ("flicker", 2),
        ("noise_gain", 2),
        ("halo", 2),
    )
    rows = [
        [name.replace("-", " "), *(f"{values[m]:.{digits}f}" for m, digits in measures)]
        for name, values in found["networks"].items()
    ]
    return table(["", "MEF-SSIM", "worst", "PSNR to references", "flicker", "noise gain", "halo"], rows)


def video() -> str:
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


def video_fast() -> str:
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


def video_ablation() -> str:
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
        "video-flicker-on": "the same, `--flicker on`",
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
                     *pairs, ripple, misses])  # fmt: skip
    head = [
        "scene, motion, gap",
        "half",
        "PSNR",
        "AFo global",
        "AFo mean",
        "ripple / oracle's",
        "beyond the bar",
    ]
    return table(head, rows)


def look() -> str:
    """What a look costs beside fusing and encoding a frame."""
    rows = read("look")["rows"]
    kinds = list(dict.fromkeys(row["look"] for row in rows))
    by_run: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        cell = f"{row['look_ms']:.1f} ms, {100 * row['share']:.1f} %"
        by_run.setdefault((row["size"], row["preset"]), []).append(cell)
    return table(
        ["size", "preset", *kinds],
        [[size, f"`{preset}`", *cells] for (size, preset), cells in by_run.items()],
    )


FIGURES: Mapping[str, Callable[[], str]] = {
    "stills": stills,
    "stills-detail": stills_detail,
    "stills-extremes": stills_extremes,
    "worst": worst,
    "sice": sice,
    "held-back": held_back,
    "tone": tone,
    "ablation": ablation,
    "video": video,
    "video-ablation": video_ablation,
    "labels": labels,
    "flow": flow,
    "noise": shadow_noise,
    "steadiness": steadiness,
    "acceptance": figures_acceptance.acceptance,
    "hard-set": hard_set,
    "footage-kinds": footage_kinds,
    "zmq": speed.zmq,
    "zmq-live": speed.zmq_live,
    "soak": speed.soak,
    "live": speed.live,
    "how-long": speed.how_long,
    "bench-fusion": speed.bench_fusion,
    "bench-stages": speed.bench_stages,
    "bench-profile": speed.bench_profile,
    "bench-ratios": speed.bench_ratios,
    "video-fast": video_fast,
    "look": look,
    "one-flow": speed.one_flow,
    "formats-sound": formats.sound,
    "formats-extras": formats.extras,
    "formats-not-made": formats.not_made,
    "formats-streams": formats.streams,
}


def fill(text: str) -> str:
    """`text` with every marked table made anew."""
    return _MARKED.sub(lambda found: f"{found[1]}{FIGURES[found[2]]()}{found[3]}", text)


def main() -> int:
    """Write or check all pages."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--check", action="store_true", help="change nothing; fail if a table is out of date")
    check = parser.parse_args().check
    stale = []
    for name in PAGES:
        page = ROOT / name
        text = page.read_text(encoding="utf-8")
        filled = fill(text)
        if filled != text:
            stale.append(name)
            if not check:
                page.write_text(filled, encoding="utf-8")
    for name in stale:
        print(f"{name}: {'out of date, run tools/figures.py' if check else 'filled'}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
