"""LCNDR's maps as a graph of layers for one size of picture: `Lcndr.maps` for a runtime without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from streamfuse.core.frame import Map
from streamfuse.fusion import pyramid_settings as rule
from streamfuse.fusion.lcndr_config import LEVELS, LOGIT_SCALE, REVISED, LcndrConfig
from streamfuse.fusion.onnx_graph import Graph

Part = Literal["all", "priors", "gains"]
LUMA = "luma"
PRIORS = ("quarter", "eighth", "sixteenth", "base")


@dataclass(frozen=True, slots=True, eq=False)
class MapsGraph:
    """Layers from luma (1, N, H, W), all float32, to maps.

    Args:
        model: ONNX.
        inputs: names.
        outputs: names, in this order: the priors of bands 0 to 2 (N, 3, H/4, W/4), of band 3, of band 4 and of the base
            (N, 1, h, w) each, and the gains (1, REVISED, H/4, W/4) if the network revises edges.
    """

    model: npt.NDArray[np.uint8]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def has_graph(config: LcndrConfig) -> bool:
    """Tell whether a network of this configuration can be written so; those of training may not."""
    return config.per_level and not config.stem


def maps_graph(
    config: LcndrConfig,
    weights: Mapping[str, Map],
    exposures: int,
    size: tuple[int, int],
    part: Part = "all",
) -> MapsGraph:
    """Layers for pictures of one size.

    Args:
        config: of the network, see `has_graph`.
        weights: by their names in `Lcndr.state_dict`.
        exposures: how many, 2 or more.
        size: (height, width), multiples of 32.
        part: the priors only; or the gains only, of priors that are inputs, as the outputs are.
    """
    build = _Builder(config, weights, exposures, size)
    pyramid = build.pyramid(LUMA)
    shapes: dict[str, tuple[int, ...]] = {LUMA: (1, exposures, *size)}
    priors, outputs = list(PRIORS), []
    if part == "gains":
        for level, name in zip((2, 3, 4, 5), PRIORS, strict=True):
            shapes[name] = (exposures, 3 if level == 2 else 1, size[0] >> level, size[1] >> level)
    else:
        scales = build.extraction(build.features(pyramid))
        if config.attend:
            scales[3] = build.attention(scales[3])
        priors = build.priors(scales)
        priors[:2] = build.favoured(priors[0], priors[1], pyramid)
        outputs += priors
    if config.revise and part != "priors":
        outputs.append(build.gains(priors[0], priors[1:], pyramid))
    return MapsGraph(build.graph.model(shapes, outputs), tuple(shapes), tuple(outputs))


@dataclass(frozen=True, slots=True, eq=False)
class _Pyramid:
    """Names of Gaussian levels 0 .. LEVELS, bands and their local energies, (1, N, h, w) each."""

    gaussian: Sequence[str]
    bands: Sequence[str]
    energies: Sequence[str]


class _Builder:
    """Writes the modules of `streamfuse.fusion.lcndr`, each under the name that it has there."""

    def __init__(
        self, config: LcndrConfig, weights: Mapping[str, Map], exposures: int, size: tuple[int, int]
    ) -> None:
        self.graph = Graph()
        self._config, self._weights = config, weights
        self._exposures, self._size = exposures, size

    # What the network sees

    def pyramid(self, luma: str) -> _Pyramid:
        gaussian, bands = [luma], []
        for level in range(LEVELS):
            gaussian.append(self._pooled(gaussian[-1], 2))
            bands.append(self._do("Sub", gaussian[-2], self._enlarged(gaussian[-1], self._exposures, level)))
        return _Pyramid(gaussian, bands, [self._energy(band) for band in bands])

    def features(self, pyramid: _Pyramid) -> str:
        count, (rows, columns) = self._exposures, self._at(2)
        # Four kernels with one 1 each take 2x2 pixels apart, as `pixel_unshuffle` does: a transposition is slower.
        apart = self.graph.constant(np.eye(4, dtype=np.float32).reshape(4, 1, 2, 2))
        shift = self.graph.constant(np.full(4, -0.5, np.float32))
        finer = self._shaped(pyramid.gaussian[1], (count, 1, 2 * rows, 2 * columns))
        seen = [
            self._do("Conv", finer, apart, shift, kernel_shape=(2, 2), strides=(2, 2)),
            self._plus(self._apart(pyramid.gaussian[2], 2), -0.5),
            self._times(self._apart(pyramid.bands[2], 2), 4.0),
            *(self._apart(self._log(self._at_quarter(pyramid.energies[n], n)), 2) for n in range(3)),
        ]
        return self._do("Concat", *seen, axis=1)

    # The modules

    def extraction(self, x: str) -> list[str]:
        scales = []
        for scale in range(4):
            x = self._conv(x, f"extraction.enter.{scale}", stride=1 if scale == 0 else 2)
            for block in range(self._config.depth):
                x = self._merged(x, f"extraction.merge.{scale}.{block}")
            scales.append(x)
        lines, columns = (
            self._do("Relu", self._dense(self._mean(x, axis), "extraction.coordinate.reduce"))
            for axis in (3, 2)
        )
        for seen, name in ((lines, "line"), (columns, "column")):
            gate = self._do("Sigmoid", self._dense(seen, f"extraction.coordinate.{name}"))
            x = self._do("Mul", x, self._times(gate, 2.0))
        scales[-1] = x
        return scales

    def attention(self, x: str) -> str:
        count, (rows, columns), channels = self._exposures, self._at(5), self._config.widths[-1]
        heads, tokens = self._config.heads, self._exposures * rows * columns
        position = self._conv(x, "attention.position", groups=channels)
        seen = self._do("Transpose", self._do("Add", x, position), perm=(0, 2, 3, 1))
        seen = self._shaped(seen, (tokens, channels))
        norm = (self._weight(f"attention.norm.{name}") for name in ("weight", "bias"))
        seen = self._do("LayerNormalization", seen, *norm, axis=-1, epsilon=1e-5)
        parts = []
        for n, turned in enumerate(((1, 0, 2), (1, 2, 0), (1, 0, 2))):  # query, key, value
            own = slice(n * channels, (n + 1) * channels)
            part = self._linear(
                seen, self._weights["attention.qkv.weight"][own], self._weights["attention.qkv.bias"][own]
            )
            part = self._shaped(part, (tokens, heads, channels // heads))
            parts.append(self._do("Transpose", part, perm=turned))
        scores = self._times(self._do("MatMul", parts[0], parts[1]), (channels // heads) ** -0.5)
        mixed = self._do("MatMul", self._do("Softmax", scores, axis=2), parts[2])
        mixed = self._shaped(self._do("Transpose", mixed, perm=(1, 0, 2)), (tokens, channels))
        update = self._linear(
            mixed, self._weights["attention.out.weight"], self._weights["attention.out.bias"]
        )
        update = self._shaped(update, (count, rows, columns, channels))
        return self._do("Add", x, self._do("Transpose", update, perm=(0, 3, 1, 2)))

    def priors(self, scales: Sequence[str]) -> list[str]:
        """Of bands 0 to 2 together, of band 3, of band 4, of the base."""
        x, decoded = scales[3], [scales[3]]
        for n in (2, 1, 0):
            lateral = self._dense(self._do("Relu", x), f"weight_maps.lateral.{n}")
            x = self._do(
                "Add", scales[n], self._enlarged(lateral, self._config.widths[n], n + 2, self._exposures)
            )
            x = self._do("Add", x, self._conv(self._do("Relu", x), f"weight_maps.refine.{n}"))
            decoded.insert(0, x)
        logits = (self._dense(x, f"weight_maps.heads.{n}") for n, x in enumerate(decoded))
        return [self._prior(self._times(logit, LOGIT_SCALE)) for logit in logits]

    def gains(self, quarter: str, coarser: Sequence[str], pyramid: _Pyramid) -> str:
        priors = [self._together(self._slice(quarter, n, 1), 2) for n in range(3)]
        priors += [self._together(prior, level) for level, prior in zip((3, 4, 5), coarser, strict=True)]
        fused = [self._fused(priors[level], pyramid, level) for level in range(LEVELS)]
        picture = self._held(self._sum(self._do("Mul", priors[-1], pyramid.gaussian[-1])), pyramid, LEVELS)
        for level in range(LEVELS - 1, 1, -1):
            picture = self._do("Add", self._enlarged(picture, 1, level), fused[level])
            picture = self._held(picture, pyramid, level)
        darkest = self._over("Min", pyramid.gaussian[2])
        source = [self._over("Max", pyramid.energies[n]) for n in range(REVISED)]
        detail = [self._energy(fused[n]) for n in range(REVISED)]
        logs = [self._log(self._at_quarter(x, n)) for group in (source, detail) for n, x in enumerate(group)]
        x = self._do("Concat", self._plus(picture, -0.5), self._plus(darkest, -0.5), *logs, axis=1)
        x = self._do("Relu", self._conv(x, "revision.enter"))
        x = self._do("Relu", self._do("Add", x, self._conv(x, "revision.body")))
        gains = self._plus(self._times(self._do("Tanh", self._dense(x, "revision.head")), 0.5), 1.0)
        strength = self._do("Sum", *(self._at_quarter(x, n) for n, x in enumerate(detail)))
        return self._restored(gains, pyramid, picture, strength)

    def favoured(self, quarter: str, eighth: str, pyramid: _Pyramid) -> list[str]:
        """Do as `highlights.favour`, of bands 0 to 2 and of band 3."""
        place = self._do("Concat", *self._alone(pyramid), axis=0)
        logs = self._times(place, rule.FAVOUR), self._times(self._pooled(place, 2), rule.FAVOUR_NEXT)
        pairs = zip((quarter, eighth), logs, strict=True)
        raised = [self._do("Mul", prior, self._do("Exp", x)) for prior, x in pairs]
        return [self._do("Div", x, self._over("Sum", x, axis=0)) for x in raised]

    # Parts of them

    def _prior(self, logit: str) -> str:
        """Softmax over the exposures; of two it is the sigmoid of their difference, at a fraction of the time."""
        if self._exposures != 2:
            return self._do("Softmax", logit, axis=0)
        one, other = self._slice(logit, 0, 0), self._slice(logit, 1, 0)
        pairs = ((one, other), (other, one))
        return self._do("Concat", *(self._do("Sigmoid", self._do("Sub", *pair)) for pair in pairs), axis=0)

    def _merged(self, x: str, name: str) -> str:
        mixed = self._do("Mul", x, self._weight(f"{name}.own"))
        if self._config.collaborate:
            best = self._over("Max", x, axis=0)
            mixed = self._do("Add", mixed, self._do("Mul", best, self._weight(f"{name}.others")))
        return self._do("Add", x, self._conv(self._do("Relu", mixed), f"{name}.conv"))

    def _fused(self, prior: str, pyramid: _Pyramid, level: int) -> str:
        """Give a band of all exposures, weighted."""
        exponent = max(float(self._weights["sharpness"][level]), 0.0)
        if level < 2:
            prior = self._enlarged(prior, self._exposures, level)
        raw = self._do("Mul", prior, self._do("Pow", pyramid.energies[level], self._scalar(exponent)))
        return self._do(
            "Div", self._sum(self._do("Mul", raw, pyramid.bands[level])), self._plus(self._sum(raw), 1e-12)
        )

    def _held(self, picture: str, pyramid: _Pyramid, level: int) -> str:
        """Do as `pyramid.within`."""
        if level < rule.HELD:
            return picture
        exposures = pyramid.gaussian[level]
        low = self._over("Min", exposures)
        if level >= rule.ROLLED:
            clipped = self._ramp(exposures, rule.CLIPPED)
            beyond = self._do("Mul", self._times(clipped, rule.ROLL_OFF), self._do("Sub", exposures, low))
            exposures = self._do("Sub", exposures, beyond)
        high = self._over("Max", exposures)
        inside = self._do("Max", self._do("Min", picture, high), low)
        beyond = self._do("Sub", picture, inside)
        softer = self._do("Div", self._scalar(rule.SLACK), self._plus(self._do("Abs", beyond), rule.SLACK))
        held = self._do("Add", inside, self._do("Mul", beyond, softer))
        moved = {rule.LIFTED: self._lifted, rule.LOWERED: self._lowered}.get(level)
        return moved(held, pyramid.gaussian[level]) if moved else held

    def _lifted(self, picture: str, exposures: str) -> str:
        """Do as `pyramid.lifted`."""
        brightest, second = self._two("Max", "Min", exposures)
        black, dim = self._ramp(second, rule.BLACK), self._ramp(brightest, rule.DIM)
        share = self._times(self._do("Mul", self._less(black), self._less(dim)), rule.LIFT)
        room = self._do("Relu", self._do("Sub", brightest, picture))
        return self._do("Add", picture, self._do("Mul", share, room))

    def _lowered(self, picture: str, exposures: str) -> str:
        """Do as `pyramid.lowered`."""
        darkest, second = self._two("Min", "Max", exposures)
        share = self._do("Mul", self._ramp(darkest, rule.LIGHT), self._ramp(second, rule.CLIPPED))
        room = self._do("Relu", self._do("Sub", picture, darkest))
        return self._do("Sub", picture, self._do("Mul", self._times(share, rule.LOWER), room))

    def _two(self, outer: str, inner: str, exposures: str) -> tuple[str, str]:
        """Give the outermost of the exposures, the brightest by Max and Min, and the next."""
        first, *others = (self._slice(exposures, n, 1) for n in range(self._exposures))
        second = ""
        for other in others:
            between = self._do(inner, first, other)
            second = self._do(outer, second, between) if second else between
            first = self._do(outer, first, other)
        return first, second

    def _alone(self, pyramid: _Pyramid) -> list[str]:
        """Do as `highlights.alone`, (1, 1, H/4, W/4) of each exposure."""
        exposures = [self._slice(pyramid.gaussian[2], n, 1) for n in range(self._exposures)]
        white = [self._ramp(exposure, rule.WHITE) for exposure in exposures]
        places = []
        for k, exposure in enumerate(exposures):
            clipped = self._ramp(exposure, rule.CLIPPED)
            place = self._do("Mul", self._ramp(exposure, rule.BLACK), self._less(clipped))
            for n in range(self._exposures):
                place = place if n == k else self._do("Mul", place, white[n])
            places.append(place)
        return places

    def _restored(self, gains: str, pyramid: _Pyramid, picture: str, strength: str) -> str:
        """Do as `highlights.restore`."""
        places = self._alone(pyramid)
        kept, weak = (
            self._do("Div", self._scalar(limit), self._plus(strength, limit))
            for limit in (rule.KEPT, rule.WEAK)
        )
        kept = self._do("Mul", self._do("Sum", *places), kept)
        gains = self._do("Add", gains, self._do("Mul", kept, self._do("Relu", self._less(gains))))
        fused = self._plus(self._do("Clip", picture, self._scalar(0.0), self._scalar(1.0)), rule.DARK)
        logs = []
        for n, place in enumerate(places):
            own = self._plus(self._slice(pyramid.gaussian[2], n, 1), rule.DARK)
            logs.append(
                self._do("Mul", place, self._do("Relu", self._do("Log", self._do("Div", fused, own))))
            )
        wanted = self._do("Exp", self._times(self._do("Sum", *logs), rule.EXPONENT))
        wanted = self._plus(self._do("Min", wanted, self._scalar(rule.MAX_RAISE)), -1.0)
        return self._do("Mul", gains, self._plus(self._do("Mul", weak, wanted), 1.0))

    def _ramp(self, x: str, ends: tuple[float, float]) -> str:
        share = self._times(self._plus(x, -ends[0]), 1 / (ends[1] - ends[0]))
        return self._do("Clip", share, self._scalar(0.0), self._scalar(1.0))

    def _less(self, x: str) -> str:
        """1 - x."""
        return self._do("Sub", self._scalar(1.0), x)

    def _energy(self, band: str) -> str:
        """Do as `pyramid.local_energy`."""
        padded = self._padded(self._do("Mul", band, band), rule.ENERGY_WINDOW // 2)
        for window in ((rule.ENERGY_WINDOW, 1), (1, rule.ENERGY_WINDOW)):
            padded = self._do("AveragePool", padded, kernel_shape=window, strides=(1, 1))
        return self._plus(padded, rule.ENERGY_FLOOR)

    def _log(self, energy: str) -> str:
        return self._plus(self._times(self._do("Log", energy), 0.25), 1.5)

    # Layers

    def _do(self, kind: str, *inputs: str, **attributes: int | float | str | Sequence[int]) -> str:
        return self.graph.layer(kind, *inputs, **attributes)

    def _weight(self, name: str) -> str:
        return self.graph.constant(self._weights[name])

    def _scalar(self, value: float) -> str:
        return self.graph.constant(np.array(value, np.float32))

    def _times(self, x: str, factor: float) -> str:
        return self._do("Mul", x, self._scalar(factor))

    def _plus(self, x: str, term: float) -> str:
        return self._do("Add", x, self._scalar(term))

    def _sum(self, x: str) -> str:
        return self._over("Sum", x)

    def _over(self, kind: str, x: str, axis: int = 1) -> str:
        """Max, Min or Sum over the exposures."""
        return self._do(kind, *(self._slice(x, n, axis) for n in range(self._exposures)))

    def _slice(self, x: str, n: int, axis: int) -> str:
        first, end, along = (self.graph.constant(np.array([value])) for value in (n, n + 1, axis))
        return self._do("Slice", x, first, end, along)

    def _mean(self, x: str, axis: int) -> str:
        return self._do("ReduceMean", x, axes=(axis,), keepdims=1)

    def _pooled(self, x: str, cell: int) -> str:
        return self._do("AveragePool", x, kernel_shape=(cell, cell), strides=(cell, cell))

    def _padded(self, x: str, margin: int) -> str:
        sides = self.graph.constant(np.array([0, 0, margin, margin] * 2))
        return self._do("Pad", x, sides, mode="edge")

    def _conv(self, x: str, name: str, stride: int = 1, groups: int = 1) -> str:
        """3x3, the border repeated outwards."""
        parts = (self._weight(f"{name}.{part}") for part in ("weight", "bias"))
        return self._do(
            "Conv", self._padded(x, 1), *parts, kernel_shape=(3, 3), strides=(stride, stride), group=groups
        )

    def _dense(self, x: str, name: str) -> str:
        """1x1."""
        parts = (self._weight(f"{name}.{part}") for part in ("weight", "bias"))
        return self._do("Conv", x, *parts, kernel_shape=(1, 1))

    def _linear(self, x: str, weight: Map, bias: Map) -> str:
        product = self._do("MatMul", x, self.graph.constant(np.ascontiguousarray(weight.T)))
        return self._do("Add", product, self.graph.constant(bias))

    def _enlarged(self, x: str, channels: int, level: int, batch: int = 1) -> str:
        """Bilinear, to the size of a level, as `pyramid.upsample`."""
        size = self.graph.constant(np.array([batch, channels, *self._at(level)]))
        how = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
        return self._do("Resize", x, "", "", size, **how)

    def _at_quarter(self, x: str, level: int) -> str:
        return x if level == 2 else self._pooled(x, 4 >> level)

    def _apart(self, x: str, level: int) -> str:
        """(1, N, h, w) -> (N, 1, h, w)."""
        return self._shaped(x, (self._exposures, 1, *self._at(level)))

    def _together(self, x: str, level: int) -> str:
        """(N, 1, h, w) -> (1, N, h, w)."""
        return self._shaped(x, (1, self._exposures, *self._at(level)))

    def _shaped(self, x: str, shape: Sequence[int]) -> str:
        return self._do("Reshape", x, self.graph.constant(np.array(shape, np.int64)))

    def _at(self, level: int) -> tuple[int, int]:
        return self._size[0] >> level, self._size[1] >> level
