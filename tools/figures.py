"""Fill the tables of README.md and docs/ from benchmarks/*.json, between `<!-- figures: NAME -->` and `<!-- end -->`.

python tools/figures.py           # write
python tools/figures.py --check   # exit with 1 and name the tables that are out of date
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping

import click
import figures_acceptance
import figures_formats as formats
import figures_hdr as hdr
import figures_speed as speed
import figures_stills as stills
import figures_video as video
from figures_parts import ROOT, read, table
from tool_options import help_of

PAGES = (
    "README.md",
    "docs/lcndr.md",
    "docs/alignment.md",
    "docs/zmq.md",
    "docs/live.md",
    "docs/speed.md",
    "docs/photographs.md",
    "docs/formats.md",
    "docs/hdr.md",
    "docs/look.md",
)
_MARKED = re.compile(r"(<!-- figures: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


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
    "stills": stills.means,
    "stills-detail": stills.stills_detail,
    "stills-extremes": stills.stills_extremes,
    "worst": stills.worst,
    "sice": stills.sice,
    "held-back": stills.held_back,
    "skies": stills.skies,
    "tone": stills.tone,
    "ablation": stills.ablation,
    "ten-scenes": stills.ten_scenes,
    "video": video.oracle,
    "video-ablation": video.ablation,
    "labels": video.labels,
    "flow": video.flow,
    "noise": video.shadow_noise,
    "degraded": video.degraded,
    "steadiness": video.steadiness,
    "acceptance": figures_acceptance.acceptance,
    "hard-set": video.hard_set,
    "footage-kinds": video.footage_kinds,
    "zmq": speed.zmq,
    "zmq-live": speed.zmq_live,
    "soak": speed.soak,
    "live": speed.live,
    "how-long": speed.how_long,
    "still-times": speed.still_times,
    "bench-fusion": speed.bench_fusion,
    "bench-stages": speed.bench_stages,
    "bench-profile": speed.bench_profile,
    "bench-ratios": speed.bench_ratios,
    "bench-cores": speed.bench_cores,
    "bench-parts": speed.bench_parts,
    "video-fast": video.fast,
    "look": look,
    "hdr": hdr.bridge,
    "hdr-panoramas": hdr.panoramas,
    "hdr-brackets": hdr.brackets,
    "hdr-cost": hdr.cost,
    "one-flow": speed.one_flow,
    "formats-sound": formats.sound,
    "formats-extras": formats.extras,
    "formats-not-made": formats.not_made,
    "formats-streams": formats.streams,
}


def fill(text: str) -> str:
    """`text` with every marked table made anew."""
    return _MARKED.sub(lambda found: f"{found[1]}{FIGURES[found[2]]()}{found[3]}", text)


@click.command(help=help_of(__doc__))
@click.option("--check", is_flag=True, help="Change nothing; fail if a table is out of date.")
def main(check: bool) -> None:
    """Write or check all pages."""
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
        click.echo(f"{name}: {'out of date, run tools/figures.py' if check else 'filled'}")
    sys.exit(bool(check and stale))


if __name__ == "__main__":
    main()
