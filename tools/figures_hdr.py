"""Tables of docs/hdr.md."""

from __future__ import annotations

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
    """CPU time beside ordinary fusion."""
    rows = [
        [row["output"], f"{row['ordinary_ms']:.0f} ms", f"{row['hdr_ms']:.0f} ms", f"{row['ratio']:.2f}"]
        for row in read("hdr-cost")["rows"]
    ]
    return table(["written", "ordinary", "`--hdr pq`", "ratio"], rows)


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
