"""Tables on photographs: likeness, noise, halos, references, and what the parts of a network give."""

from __future__ import annotations

from collections.abc import Iterator

from figures_parts import Json, read, table

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


def _on_mefb() -> Iterator[tuple[str, str, Json]]:
    """Name, label and measures of each method on half of MEFB, but for the colour that is there to compare with."""
    summary = read("stills-mefb-half")["summary"]
    yield from (
        (name, label, summary[name])
        for name, label in LABELS.items()
        if name in summary and "DeepFuse" not in name
    )


def means() -> str:
    """MEF-SSIM on half of MEFB, and how often a method loses to the best known one that is not ours."""
    of = {
        (score["method"], score["scene"]): score["mef_ssim"] for score in read("stills-mefb-half")["scores"]
    }
    rows = []
    for name, label, measures in _on_mefb():
        mef = measures["mef_ssim"]
        lost = sum(
            value < of["opencv-mertens", scene] for (method, scene), value in of.items() if method == name
        )
        rows.append([label, f"{mef['mean']:.4f}", f"{mef['worst']:.4f}", str(lost)])
    return table(["50 pairs of MEFB", "MEF-SSIM, mean", "worst pair", "pairs below MergeMertens"], rows)


def stills_detail() -> str:
    """Noise, halo and cost on half of MEFB."""
    costs = {cost["method"]: cost for cost in read("stills-mefb-half")["costs"]}
    rows = []
    for name, label, measures in _on_mefb():
        cost = costs.get(f"{name} (4:2:0 planes)", costs.get(name))
        spent = [f"{cost['cpu_s_per_mp']:.3f}", f"{cost['working_mb']:.0f}"] if cost else ["-", "-"]
        rows.append([label, *(f"{measures[m]['mean']:.2f}" for m in ("noise_gain", "halo")), *spent])
    return table(["", "noise gain", "halo, code values", "CPU-s per MP", "working MB at 2 MP"], rows)


def stills_extremes() -> str:
    """Highlights and shadows on half of MEFB."""
    rows = []
    for _, label, measures in _on_mefb():
        mean = {name: measures[name]["mean"] for name in measures}
        cells = [f"{100 * mean['clipped']:.1f} %", f"{mean['highlights_contrast']:.2f}", f"{mean['hue']:.1f}"]
        cells += [f"{mean[m]:.2f}" for m in ("saturation", "shadows_level", "shadows_contrast")]
        cells += [f"{measures[m]['mean']:.2f}, {measures[m]['worst']:.2f} %" for m in ("darker", "brighter")]
        rows.append([label, *cells])
    kinds = [
        "highlights clipped",
        "contrast",
        "hue",
        "saturation",
        "shadows' level",
        "contrast",
        "darker",
        "brighter",
    ]
    return table(["", *kinds], rows)


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


def skies() -> str:
    """What fused frames of alternating footage keep of skies, beside peers that get the same aligned frames."""
    found = read("skies")
    rows = []
    for name, label in (
        ("streamfuse", "streamfuse"),
        ("enfuse", "enfuse"),
        ("opencv-mertens", "OpenCV MergeMertens"),
    ):
        mean, flicker = found["means"][name], found["flicker"][name]
        rows.append([
            label, f"{mean['contrast']:.3f}", f"{100 * mean['clipped']:.1f} %", f"{mean['hue']:.1f}",
            f"{mean['saturation']:.2f}", f"{flicker['pixels']:.2f} %", f"{flicker['level']:.2f} %",
        ])  # fmt: skip
    head = ["contrast", "clipped", "hue", "saturation", "flicker of pixels", "of the sky's level"]
    told = f"{found['frames']} frames of {found['environment']['data']}"
    return table([told, *head], rows)


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


# Of `ten_scenes`: what makes a picture better, by how much at least, and what the table calls it.
_BETTER = {
    "mef_ssim": (0.003, "MEF-SSIM"),
    "clipped": (-0.01, "clipped"),
    "highlights_contrast": (0.03, "contrast"),
    "hue": (-1.0, "hue"),
    "saturation": (0.03, "saturation"),
    "shadows_level": (0.03, "shadows"),
}


def ten_scenes() -> str:
    """What each method keeps of ten scenes, and in what ours is behind another one."""
    rows = read("ten-scenes")["rows"]
    of: dict[str, dict[str, Json]] = {}
    for row in rows:
        of.setdefault(row["scene"], {})[row["method"]] = row
    methods = list(next(iter(of.values())))
    lines = []
    for scene, by in of.items():
        behind = [
            f"{label} ({', '.join(better)})"
            for name, (least, label) in _BETTER.items()
            if (
                better := [
                    m for m in methods if m != "now" and _is_better(by[m][name], by["now"][name], least)
                ]
            )
        ]
        lines.append([scene, *(_cell(by[method]) for method in methods), "; ".join(behind) or "-"])
    return table(["scene", *methods, "ours now is behind in"], lines)


def _is_better(one: float | None, other: float | None, least: float) -> bool:
    if one is None or other is None:
        return False
    return (one - other) * (1 if least > 0 else -1) > abs(least)


def _cell(row: Json) -> str:
    """MEF-SSIM, share clipped, contrast, saturation, level of shadows."""
    clipped = "-" if row["clipped"] is None else f"{100 * row['clipped']:.1f} %"
    others = (row[name] for name in ("highlights_contrast", "saturation", "shadows_level"))
    return " / ".join(
        [f"{row['mef_ssim']:.3f}", clipped, *("-" if v is None else f"{v:.2f}" for v in others)]
    )
