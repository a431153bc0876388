"""Camera drivers and fusers of other packages: found by their entry points, loaded when they are used.

A package names them in its pyproject.toml, and is found wherever it is installed beside streamfuse:

    [project.entry-points."streamfuse.cameras"]
    acme = "acme_cameras:AcmeCamera"       # (which, CameraOptions) -> Camera: `streamfuse live acme:2`

    [project.entry-points."streamfuse.fusers"]
    mine = "my_fusion:make"                # (device) -> FusionMethod: `streamfuse fuse clip.mov -o o.mp4 --fuser mine`

`device` is what the user named: auto, cpu, cuda or cuda:N. The threads of OpenCV, and of torch where it was
imported, are limited before `make` is called; preset and the rest of the settings are not told.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Literal

from streamfuse.errors import UsageError

Group = Literal["streamfuse.cameras", "streamfuse.fusers"]


@cache
def installed(group: Group) -> dict[str, EntryPoint]:
    """Give name -> entry point of all that is installed here; of two with one name the first that is found."""
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=group):
        found.setdefault(point.name, point)
    return dict(sorted(found.items()))


def load(group: Group, name: str) -> object:
    """Load what the entry point of that name stands for.

    Raises:
        UsageError: it cannot be imported.
    """
    point = installed(group)[name]
    try:
        return point.load()
    except Exception as error:  # whatever another package does when it is imported
        package = f" of {point.dist.name}" if point.dist is not None else ""
        kind = "camera driver" if group == "streamfuse.cameras" else "fuser"
        raise UsageError(
            f"The {kind} {name!r}{package} ({point.value}) cannot be loaded: {error}."
        ) from error
