"""From a path to a simulated clip: an ordinary video, a folder of HDR frames, or a panorama."""

from __future__ import annotations

from pathlib import Path

from streamfuse.lab.evaluate.radiance_clips import HdrFolder, RadianceFrames, VideoRadiance
from streamfuse.lab.evaluate.simulate import SimulatedClip, Simulation
from streamfuse.lab.evaluate.virtual_camera import virtual_camera

PANORAMA_FRAMES = 24
PANORAMA_WIDTH = 320


def film(
    source: Path | str,
    simulation: Simulation | None = None,
    *,
    start: int = 0,
    count: int | None = None,
    width: int | None = None,
    range_ev: float | None = None,
    objects: int = 0,
) -> SimulatedClip:
    """Film a scene in alternating exposures.

    Args:
        source: a video (its time stamps are kept, from 0 on), a folder of .hdr frames, or an equirectangular
            .hdr panorama, through which a hand-held camera pans.
        simulation: how; None is the standard simulation.
        start, count: which frames of a video or folder; `count` alone for a panorama.
        width: of the pictures of a video (its shape is kept) or panorama (4:3).
        range_ev: stretch a video to this dynamic range.
        objects: things that move before a panorama.

    Raises:
        InputNotFoundError, InputError: there is nothing, or nothing of these.
    """
    path = Path(source)
    scene = scene_of(path, start=start, count=count, width=width, range_ev=range_ev, objects=objects)
    return film_scene(scene, simulation, path.name)


def film_scene(
    scene: RadianceFrames,
    simulation: Simulation | None,
    name: str,
    longest: RadianceFrames | None = None,
) -> SimulatedClip:
    """Film what `scene_of` gave; a video keeps its time stamps, from 0 on. `longest` as in `SimulatedClip`."""
    if not isinstance(scene, VideoRadiance):
        return SimulatedClip(scene, simulation, name=name, longest=longest)
    pts = [time - scene.pts[0] for time in scene.pts]
    return SimulatedClip(
        scene, simulation, name=name, pts=pts, time_base=scene.time_base, rate=scene.rate, longest=longest
    )


def scene_of(
    path: Path,
    *,
    start: int = 0,
    count: int | None = None,
    width: int | None = None,
    range_ev: float | None = None,
    objects: int = 0,
    step: int = 1,
) -> RadianceFrames:
    """Give the radiance that `film` films: a `VideoRadiance`, `HdrFolder` or `VirtualCamera`; arguments as there.

    Of a video or folder every `step`-th frame is taken: the same motion, faster.
    """
    if path.is_dir():
        return HdrFolder(path, start=start, count=count, step=step)
    if path.suffix.lower() != ".hdr":
        return VideoRadiance(path, start=start, count=count, width=width, range_ev=range_ev, step=step)
    columns = width or PANORAMA_WIDTH
    return virtual_camera(
        path, count=count or PANORAMA_FRAMES, objects=objects, width=columns, height=max(1, columns * 3 // 4)
    )
