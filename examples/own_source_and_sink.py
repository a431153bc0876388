"""A source and a sink of your own: a sensor that gives arrays, and something that looks at every fused frame."""

from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from streamfuse import Config, Frame, FusedFrame, Pipeline, Sink, Source, SourceInfo
from streamfuse.core.color_info import ColorInfo
from streamfuse.core.frame import Exposure
from streamfuse.runtime.chain import build_chain

WIDTH, HEIGHT, RATE = 160, 90, 30


class Sensor(Source):
    """Stands for a camera: dark and bright pictures by turns, luma only; with the exposure of each, as it was set."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._closed = False
        self.info = SourceInfo(
            name="the sensor",
            width=WIDTH,
            height=HEIGHT,
            bits=8,
            subsampling=(0, 0),
            color=ColorInfo(full_range=True),
            time_base=Fraction(1, RATE),
            rate=Fraction(RATE),
            has_chroma=False,
        )

    def __iter__(self) -> Iterator[Frame]:
        light = np.linspace(0, 1, WIDTH, dtype=np.float32) ** 3
        for index in range(self._count):
            if self._closed:
                return
            time_us = 1000.0 if index % 2 == 0 else 8000.0
            row = np.clip(np.roll(light, index) * time_us / 2000, 0, 1) ** (1 / 2.2)
            luma = np.tile(np.rint(row * 255).astype(np.uint8), (HEIGHT, 1))
            yield Frame(
                (luma,), 8, (0, 0), self.info.color, index, self.info.time_base, index, Exposure(time_us)
            )

    def close(self) -> None:
        self._closed = True


class Brightness(Sink):
    """Keeps the mean of each fused frame; `outputs` would name files."""

    def __init__(self) -> None:
        self.outputs: list[str] = []
        self.means: list[float] = []

    def write(self, frame: FusedFrame) -> None:
        self.means.append(float(frame.planes[0].mean()))

    def close(self) -> None:
        """Nothing is open."""


def main() -> list[float]:
    config = Config().with_overrides(preset="fast")
    with Sensor(24) as sensor, Brightness() as brightness:
        Pipeline(sensor, build_chain(config).line, [brightness]).run()
    print(f"{len(brightness.means)} frames, mean luma {np.mean(brightness.means):.1f}")
    return brightness.means


if __name__ == "__main__":
    main()
