"""Tables of docs/hdr.md."""

from __future__ import annotations

from statistics import median

from figures_parts import read, table

_HEAD = [
    "clip",
    "method",
    "PSNR-mu",
    "PU21-PSNR",
    "flicker, to the oracle's",
    "alternation",
]


def bridge() -> str:
    """HDR video."""
    return _scores("hdr")


def panoramas() -> str:
    """Panoramas on which nothing was chosen."""
    return _scores("hdr-panoramas")


def cost() -> str:
    """CPU time and memory beside ordinary fusion."""
    rows = [
        [
            row["output"],
            f"{row['ordinary_ms']:.0f} ms",
            f"{row['hdr_ms']:.0f} ms",
            f"{row['ratio']:.2f}",
            f"{row['memory_ratio']:.2f}" if "memory_ratio" in row else "not measured",
        ]
        for row in read("hdr-cost")["rows"]
    ]
    return table(["written", "ordinary", "`--hdr pq`", "ratio", "of the most memory held"], rows)


def brackets() -> str:
    """Still brackets against their longest exposure: medians over all."""
    rows = []
    kinds = [(longest, method) for longest in ("merged", "held out") for method in ("streamfuse", "Debevec")]
    for longest, method in kinds:
        found = [
            row
            for row in read("hdr-brackets")["rows"]
            if (row["longest"], row["method"]) == (longest, method)
        ]
        errors, ratios = (sorted(row[name] for row in found) for name in ("error", "psnr"))
        rows.append(
            [
                longest,
                "streamfuse" if method == "streamfuse" else "OpenCV, Debevec",
                f"{100 * median(errors):.1f} %",
                f"{100 * errors[len(errors) * 9 // 10]:.0f} %",
                f"{median(ratios):.1f}",
            ]
        )
    return table(
        ["longest exposure", "merge", "light off by", "a tenth of the stacks: more than", "PSNR"], rows
    )


def _scores(name: str) -> str:
    rows = [
        [
            f"{row['clip'].replace('_1k.hdr', '').replace('.hdr', '')}, {row['gap_ev']:g} EV",
            row["method"],
            f"{row['psnr_mu']:.1f}",
            f"{row['pu21_psnr']:.1f}",
            f"{row['flicker_ratio']:.2f}",
            f"{row['alternation']:.2f}",
        ]
        for row in read(name)["rows"]
    ]
    return table(_HEAD, rows)
