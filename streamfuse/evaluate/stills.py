"""Fuse folders of exposures with streamfuse and its peers, and score the pictures.

MEF-SSIM asks whether the structure of the exposures is kept and knows no brightness; PSNR, SSIM and CIEDE2000 to a
reference ask whether the picture is natural; noise gain and halo ask what went wrong. No one of them is enough.
"""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from streamfuse._version import __version__
from streamfuse.capture.images import SUFFIXES, natural_key
from streamfuse.capture.photo import read_photo
from streamfuse.errors import InputError, InputNotFoundError, OutputError
from streamfuse.evaluate import still_measures
from streamfuse.evaluate.ciede2000 import ciede2000, srgb_to_lab
from streamfuse.evaluate.cost import PLANES, Cost, measure_cost
from streamfuse.evaluate.mef_ssim import MefSsim
from streamfuse.evaluate.metrics import psnr, ssim
from streamfuse.evaluate.peers import to_8_bit
from streamfuse.evaluate.peers_stills import Rgb, StillFuse, still_peers
from streamfuse.evaluate.report import ReportWriter, Table

REFERENCE = "reference"
MEASURES: Mapping[str, tuple[str, bool, int]] = {  # name -> (heading, higher is better, decimals)
    "mef_ssim": ("MEF-SSIM", True, 4),
    "psnr": ("PSNR dB", True, 2),
    "ssim": ("SSIM", True, 3),
    "delta_e": ("CIEDE2000", False, 2),
    "noise_gain": ("noise gain", False, 2),
    "halo": ("halo", False, 2),
}
_PSNR_CAP = 100.0  # dB, for pictures that equal their reference
_WORST = 5


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """Exposures of one scene, (H, W, 3) uint8, darkest first, and the wanted picture where it is known."""

    name: str
    exposures: tuple[Rgb, ...]
    reference: Rgb | None


@dataclass(frozen=True, slots=True)
class Score:
    """One fused picture; what cannot be told (no reference, nothing flat) is None.

    Args:
        scene, method: names.
        mef_ssim: three scales, of the 8-bit grey of the colour picture; at most 1.
        psnr, ssim: of the grey, to the reference; dB (at most 100), at most 1.
        delta_e: mean CIEDE2000 to the reference, both as sRGB.
        noise_gain, halo: see `still_measures`.
    """

    scene: str
    method: str
    mef_ssim: float
    psnr: float | None
    ssim: float | None
    delta_e: float | None
    noise_gain: float | None
    halo: float | None


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
            method: {name: found for name in MEASURES if (found := self._summarise(method, name)) is not None}
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
        known.sort(reverse=not MEASURES[measure][1])
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
            "costs": [cost.as_dict() for cost in self.costs],
            "scores": [asdict(score) for score in self.scores],
        }

    def write_json(self, path: Path) -> None:
        """Write `as_dict`.

        Raises:
            OutputError: nothing can be written there.
        """
        try:
            path.write_text(json.dumps(self.as_dict(), indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise OutputError(f"{path} cannot be written: {error.strerror}.") from error


def find_scenes(folder: Path) -> list[Path]:
    """The folders in `folder` that hold two or more pictures beside the reference.

    Raises:
        InputNotFoundError: no such folder.
        InputError: no scene in it.
    """
    if not folder.is_dir():
        raise InputNotFoundError(f"There is no folder {folder}: check the path.")
    scenes = [path for path in folder.iterdir() if path.is_dir() and len(_pictures(path)[0]) >= 2]
    if not scenes:
        raise InputError(
            f"{folder} holds no folders with two or more pictures each: name the folder above them."
        )
    return sorted(scenes, key=natural_key)


def _pictures(folder: Path) -> tuple[list[Path], Path | None]:
    files = sorted((p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES), key=natural_key)
    reference = next((p for p in files if p.stem == REFERENCE), None)
    return [p for p in files if p != reference], reference


def read_scene(folder: Path) -> Scene:
    """Read one scene, as 8-bit R'G'B'.

    Raises:
        InputError: a picture that cannot be read, or of another size than the rest.
    """
    files, reference = _pictures(folder)
    exposures = sorted((_read_rgb(path) for path in files), key=lambda rgb: float(rgb.mean()))
    target = _read_rgb(reference) if reference else None
    sizes = {rgb.shape for rgb in (*exposures, *([] if target is None else [target]))}
    if len(sizes) > 1:
        found = ", ".join(f"{shape[1]}x{shape[0]}" for shape in sorted(sizes))
        raise InputError(f"The pictures in {folder} must have one size and have {found}.")
    return Scene(folder.name, tuple(exposures), target)


def _read_rgb(path: Path) -> Rgb:
    pixels = to_8_bit(read_photo(path).pixels)
    return np.ascontiguousarray(pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, axis=2))


class SceneScorer:
    """Scores any number of fused pictures of one scene; what depends on the scene alone is done once."""

    def __init__(self, scene: Scene) -> None:
        import torch

        self.scene = scene
        self._greys = [still_measures.grey(rgb) for rgb in scene.exposures]
        self._mef_ssim = MefSsim(torch.from_numpy(np.stack(self._greys))[None].double())
        self._flat = still_measures.flat_areas(self._greys)
        self._noisy = still_measures.add_noise(scene.exposures)
        reference = scene.reference
        self._reference = None if reference is None else still_measures.grey(reference)
        self._reference_lab = None if reference is None else srgb_to_lab(reference / 255)

    def score(self, method: str, fuse: StillFuse, fused: Rgb) -> Score:
        """Score what `fuse` made of the scene; `fuse` is called once more, with noise added."""
        import torch

        grey = still_measures.grey(fused)
        similarity = float(self._mef_ssim(torch.from_numpy(grey)[None, None].double())[0])
        gain = still_measures.noise_gain(fuse, self._noisy, grey, self._flat)
        halo = still_measures.halo(self._greys, grey)
        return Score(self.scene.name, method, similarity, *self._fidelity(fused, grey), gain, halo)

    def _fidelity(
        self, fused: Rgb, grey: still_measures.Grey
    ) -> tuple[float | None, float | None, float | None]:
        """(PSNR, SSIM, mean CIEDE2000) to the reference."""
        if self._reference is None or self._reference_lab is None:
            return None, None, None
        difference = ciede2000(srgb_to_lab(fused / 255), self._reference_lab)
        return (
            min(psnr(grey, self._reference), _PSNR_CAP),
            ssim(grey, self._reference),
            float(difference.mean()),
        )


def evaluate_stills(
    folder: Path,
    *,
    fusers: Sequence[str] | None = None,
    limit: int | None = None,
    speed: bool = True,
    device: str = "auto",
    report: Path | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> StillsEvaluation:
    """Fuse and score every scene with streamfuse's fusers and with the peers.

    Args:
        folder: holds a folder per scene.
        fusers: names as `create_fuser` takes them; the three networks if None.
        limit: how many scenes, in the order of their names.
        speed: also measure time and memory.
        device: where the networks run.
        report: an HTML page to write.
        progress: called with a line after each scene.

    Raises:
        StreamfuseError: as the message says.
    """
    from streamfuse.fusion.device import share_cpu
    from streamfuse.fusion.models import NETWORKS
    from streamfuse.stills import Fuser

    share_cpu()
    scenes = find_scenes(folder)[:limit]
    names = list(dict.fromkeys(fusers or NETWORKS))
    methods: dict[str, StillFuse] = {name: Fuser(fuser=name, device=device) for name in names}
    methods |= still_peers()
    environment = _environment(folder, device)
    scores: list[Score] = []
    with ExitStack() as stack:
        page = stack.enter_context(ReportWriter(report, "Fused photographs", environment)) if report else None
        for number, path in enumerate(scenes, 1):
            scene = read_scene(path)
            scorer = SceneScorer(scene)
            fused = {name: fuse(scene.exposures) for name, fuse in methods.items()}
            found = [scorer.score(name, methods[name], picture) for name, picture in fused.items()]
            scores += found
            if page is not None:
                _show(page, scene, fused, found, wipe=("opencv-mertens", names[0]))
            progress(
                f"{number}/{len(scenes)} {scene.name}: "
                + ", ".join(f"{score.method} {score.mef_ssim:.4f}" for score in found)
            )
        costs = _costs(names, methods, progress) if speed else ()
        result = StillsEvaluation(tuple(scores), costs, environment)
        if page is not None:
            for table in _tables(result):
                page.table(table)
    return result


def _costs(
    fusers: Sequence[str], methods: Mapping[str, StillFuse], progress: Callable[[str], None]
) -> tuple[Cost, ...]:
    names = [*fusers, *(name + PLANES for name in fusers)]
    names += [name for name in methods if name not in (*fusers, "darkest", "brightest")]
    costs = []
    for name in names:
        cost = measure_cost(name)
        if cost is not None:
            costs.append(cost)
            progress(f"{name}: {cost.cpu_s_per_mp:.3f} CPU-s/MP, {cost.peak_mb:.0f} MB")
    return tuple(costs)


def _show(
    page: ReportWriter, scene: Scene, fused: Mapping[str, Rgb], scores: Sequence[Score], wipe: tuple[str, str]
) -> None:
    pictures = {name: rgb for name, rgb in fused.items() if name not in ("darkest", "brightest")}
    for number, rgb in enumerate(scene.exposures):
        pictures[f"exposure {number}"] = rgb
    if scene.reference is not None:
        pictures[REFERENCE] = scene.reference
    rows = [[s.method, *(_cell(name, getattr(s, name)) for name in MEASURES)] for s in scores]
    page.comparison(scene.name, pictures, table=Table(["method", *_headings()], rows), wipe=wipe)


def _headings() -> list[str]:
    return [heading for heading, _, _ in MEASURES.values()]


def _cell(measure: str, value: float | None) -> str:
    return "-" if value is None else f"{value:.{MEASURES[measure][2]}f}"


def _tables(result: StillsEvaluation) -> list[Table]:
    summary = result.summary()
    head = ["method"]
    for heading in _headings():
        head += [heading, "worst"]
    rows, worst = [], []
    for method, found in summary.items():
        row = [method]
        for name in MEASURES:
            values = found.get(name)
            row += [_cell(name, values["mean"]), _cell(name, values["worst"])] if values else ["-", "-"]
        rows.append(row)
        lowest = found["mef_ssim"]["worst_five"]
        worst.append([method, *(f"{scene} {value:.4f}" for scene, value in lowest)])
    note = (
        "Mean and worst over the scenes. Higher is better for MEF-SSIM, PSNR and SSIM, lower for the others."
    )
    tables = [
        Table(head, rows, "All scenes", note),
        Table(["method", *(str(n + 1) for n in range(_WORST))], worst, "Lowest MEF-SSIM"),
    ]
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
    """The tables as text."""
    lines: list[str] = []
    for table in _tables(result):
        rows = [list(table.head), *map(list, table.rows)]
        widths = [max(len(row[n]) for row in rows if n < len(row)) for n in range(len(table.head))]
        lines += [
            table.title,
            *("  ".join(c.rjust(w) for c, w in zip(row, widths, strict=False)) for row in rows),
            "",
        ]
    return "\n".join(lines)


def _environment(folder: Path, device: str) -> dict[str, str]:
    """Machine, versions, date and commit, so that figures can be compared."""
    import cv2
    import torch

    cpu = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.processor(),
    )
    return {
        "data": folder.name,
        "device": device,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "machine": f"{cpu or platform.machine()}, {os.cpu_count()} CPUs",
        "system": platform.platform(),
        "versions": f"streamfuse {__version__}, Python {platform.python_version()}, torch {torch.__version__}, "
        f"OpenCV {cv2.__version__}, NumPy {np.__version__}",
    }


def _lines(path: str) -> list[str]:
    file = Path(path)
    return file.read_text(errors="replace").splitlines() if file.is_file() else []


def _commit() -> str:
    """Of the source tree that runs, with + where it was changed since; `unknown` for an installed package."""
    command = [
        "git",
        "-C",
        str(Path(__file__).parent),
        "describe",
        "--always",
        "--dirty=+",
        "--abbrev=12",
        "--match=",
    ]
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"
