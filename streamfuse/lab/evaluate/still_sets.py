"""Fuse folders of exposures with streamfuse and its baselines, and score the pictures.

MEF-SSIM asks whether the structure of the exposures is kept and knows no brightness; PSNR, SSIM and CIEDE2000 to a
reference ask whether the picture is natural; noise gain and halo ask what went wrong; the measures of highlights and
shadows ask what became of what one exposure alone knows. No one of them is enough.
"""

from __future__ import annotations

import math
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from streamfuse.core.frame import Rgb
from streamfuse.core.output_file import check_output_file, write_json_file
from streamfuse.lab.evaluate.baseline_stills import PROGRAMS, StillFuse, still_baselines
from streamfuse.lab.evaluate.contact_sheet import ContactSheet
from streamfuse.lab.evaluate.cost import PLANES, Cost, measure_cost
from streamfuse.lab.evaluate.deepfuse_color import deepfuse_color
from streamfuse.lab.evaluate.environment import describe_environment
from streamfuse.lab.evaluate.report import ReportWriter
from streamfuse.lab.evaluate.still_scores import (
    REFERENCE,
    STILL_MEASURES,
    Scene,
    SceneScorer,
    Score,
    find_scenes,
    read_scene,
)
from streamfuse.lab.evaluate.table import Table

_WORST = 5


@dataclass(frozen=True, slots=True)
class StillsEvaluation:
    """All scores, what they come to, and where they were measured."""

    scores: tuple[Score, ...]
    costs: tuple[Cost, ...]
    environment: Mapping[str, str]

    @property
    def methods(self) -> list[str]:
        """In the order of the run."""
        return list(dict.fromkeys(score.method for score in self.scores))

    def summary(self) -> dict[str, dict[str, Any]]:
        """method -> measure -> mean, worst, the five worst scenes with their values, and how many count."""
        return {
            method: {
                name: found for name in STILL_MEASURES if (found := self._summarise(method, name)) is not None
            }
            for method in self.methods
        }

    def _summarise(self, method: str, measure: str) -> dict[str, Any] | None:
        known = [
            (value, score.scene)
            for score in self.scores
            if score.method == method and (value := getattr(score, measure)) is not None
        ]
        if not known:
            return None
        known.sort(reverse=not STILL_MEASURES[measure].higher_is_better)
        return {
            "mean": math.fsum(value for value, _ in known) / len(known),
            "worst": known[0][0],
            "worst_five": [[scene, value] for value, scene in known[:_WORST]],
            "scenes": len(known),
        }

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "environment": dict(self.environment),
            "summary": self.summary(),
            "costs": [asdict(cost) for cost in self.costs],
            "scores": [asdict(score) for score in self.scores],
        }

    def write_json(self, path: Path) -> None:
        """Write `as_dict`.

        Raises:
            OutputError: nothing can be written there; an old file is as it was.
        """
        write_json_file(path, self.as_dict())


def evaluate_stills(
    folder: Path,
    *,
    fusers: Sequence[str] | None = None,
    limit: int | None = None,
    names: Sequence[str] = (),
    exposures: int | None = None,
    speed: bool = True,
    device: str = "auto",
    report: Path | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> StillsEvaluation:
    """Fuse and score every scene with streamfuse's fusers and with the baselines.

    Args:
        folder: holds a folder per scene.
        fusers: names as `create_fuser` takes them; the three networks if None.
        limit: how many scenes, in the order of their names.
        names: only the scenes of these names; () for all.
        exposures: use so many of each scene, evenly from the darkest to the brightest; scenes with fewer are left out.
        speed: also measure time and memory.
        device: where the networks run.
        report: an HTML page to write.
        progress: called with a line after each scene.

    Raises:
        StreamfuseError: as the message says.
    """
    from streamfuse.fusion.models import NETWORKS
    from streamfuse.photo.still_fusion import Fuser

    if report is not None:
        check_output_file(report)  # before the networks are read
    scenes = find_scenes(folder, names, exposures or 2)[:limit]
    fuser_names = list(dict.fromkeys(fusers or NETWORKS))
    methods: dict[str, StillFuse] = {name: Fuser(fuser=name, device=device) for name in fuser_names}
    methods[f"{fuser_names[-1]} with DeepFuse's colour"] = deepfuse_color(methods[fuser_names[-1]])
    methods |= still_baselines()
    used = "all" if exposures is None else str(exposures)
    environment = {"data": folder.name, "exposures": used, "device": device, **describe_environment()}
    scores: list[Score] = []
    with ExitStack() as stack:
        page = stack.enter_context(ReportWriter(report, "Fused photographs", environment)) if report else None
        sheet = ContactSheet(fuser_names[-1])
        for number, path in enumerate(scenes, 1):
            scene = read_scene(path, count=exposures)
            fused, found = _fuse(scene, methods, progress)
            scores += found
            if page is not None:
                pictures = _pictures(scene, fused)
                _show(page, scene.name, pictures, found, wipe=("opencv-mertens", fuser_names[-1]))
                sheet.add(scene.name, pictures)
            progress(
                f"{number}/{len(scenes)} {scene.name}: "
                + ", ".join(f"{score.method} {score.mef_ssim:.4f}" for score in found)
            )
        costs = _costs(fuser_names, progress) if speed else ()
        # Of a baseline that failed on the way nothing is kept: means over other scenes cannot be compared.
        scores = [score for score in scores if score.method in methods]
        result = StillsEvaluation(tuple(scores), costs, environment)
        if page is not None:
            for table in _tables(result):
                page.table(table)
            sheet.write(page, scores)
    return result


def _fuse(
    scene: Scene, methods: dict[str, StillFuse], progress: Callable[[str], None]
) -> tuple[dict[str, Rgb], list[Score]]:
    """Pictures by method, and their scores; a program that fails is taken out of `methods`, and `progress` told."""
    scorer = SceneScorer(scene)
    fused: dict[str, Rgb] = {}
    scores = []
    for name, fuse in list(methods.items()):
        try:
            picture = fuse(scene.exposures)
            scores.append(scorer.score(name, fuse, picture))
            fused[name] = picture
        except (OSError, subprocess.SubprocessError) as error:
            if name not in PROGRAMS:
                raise
            del methods[name]
            progress(f"{name} is left out, for it failed on {scene.name}: {_reason(error)}")
    return fused, scores


def _reason(error: Exception) -> str:
    """Give the last line that a failed program printed, or what else is known."""
    printed = (getattr(error, "stderr", None) or b"").decode(errors="replace").strip()
    return printed.splitlines()[-1] if printed else str(error)


def _costs(fusers: Sequence[str], progress: Callable[[str], None]) -> tuple[Cost, ...]:
    names = [*fusers, *(name + PLANES for name in fusers)]
    names += [name for name in still_baselines() if name not in ("darkest", "brightest")]
    costs = []
    for name in names:
        cost = measure_cost(name)
        if cost is not None:
            costs.append(cost)
            progress(f"{name}: {cost.cpu_s_per_mp:.3f} CPU-s/MP, {cost.peak_mb:.0f} MB")
    return tuple(costs)


def _pictures(scene: Scene, fused: Mapping[str, Rgb]) -> dict[str, Rgb]:
    """Give all there is to see of a scene."""
    pictures = {name: rgb for name, rgb in fused.items() if name not in ("darkest", "brightest")}
    for number, rgb in enumerate(scene.exposures):
        pictures[f"exposure {number}"] = rgb
    if scene.reference is not None:
        pictures[REFERENCE] = scene.reference
    return pictures


def _show(
    page: ReportWriter,
    scene: str,
    pictures: Mapping[str, Rgb],
    scores: Sequence[Score],
    wipe: tuple[str, str],
) -> None:
    measures = [name for name in STILL_MEASURES if any(getattr(score, name) is not None for score in scores)]
    rows = [[s.method, *(_cell(name, getattr(s, name)) for name in measures)] for s in scores]
    table = Table(["method", *(STILL_MEASURES[name].heading for name in measures)], rows)
    page.comparison(scene, pictures, table=table, wipe=wipe)


def _cell(measure: str, value: float | None) -> str:
    return "-" if value is None else f"{value:.{STILL_MEASURES[measure].decimals}f}"


def _says(name: str) -> str:
    measure = STILL_MEASURES[name]
    return f"{measure.says} ({'more' if measure.higher_is_better else 'less'} is better)"


def _tables(result: StillsEvaluation) -> list[Table]:
    summary = result.summary()
    tables = []
    for group in dict.fromkeys(measure.group for measure in STILL_MEASURES.values()):
        measures = [
            name
            for name, measure in STILL_MEASURES.items()
            if measure.group == group and any(name in found for found in summary.values())
        ]
        head = ["method"]
        for name in measures:
            head += [STILL_MEASURES[name].heading, "worst"]
        rows = []
        for method, found in summary.items():
            row = [method]
            for name in measures:
                values = found.get(name)
                row += [_cell(name, values["mean"]), _cell(name, values["worst"])] if values else ["-", "-"]
            rows.append(row)
        if measures:
            told = "; ".join(f"{STILL_MEASURES[name].heading}: {_says(name)}" for name in measures)
            tables.append(Table(head, rows, f"{group}, mean and worst of all scenes", f"{told}."))
    worst = [
        [method, *(f"{scene} {value:.4f}" for scene, value in found["mef_ssim"]["worst_five"])]
        for method, found in summary.items()
    ]
    tables.append(Table(["method", *map(str, range(1, len(worst[0])))], worst, "Lowest MEF-SSIM"))
    if result.costs:
        costs = [
            [c.method, f"{c.cpu_s_per_mp:.3f}", f"{c.peak_mb:.0f}", f"{c.working_mb:.0f}"]
            for c in result.costs
        ]
        first = result.costs[0]
        title = f"Cost of {first.exposures} exposures of {first.megapixels:.1f} megapixels, one thread"
        tables.append(Table(["method", "CPU-s/MP", "peak MB", "of it for the call"], costs, title))
    return tables


def render_summary(result: StillsEvaluation) -> str:
    """Give the tables as text."""
    return "".join(f"{table.text()}\n\n" for table in _tables(result))
