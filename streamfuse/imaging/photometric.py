"""Photometry: bring frames of different exposures to one scale.

The model of a camera or codec is linear light = normalised luma ** 2.2, so that an exposure ratio of `gap_ev` EV is a
factor 2 ** (gap_ev / 2.2) on luma *and* on chroma, until the brighter one clips. Where the transfer function of BT.709
or sRGB explains the two histograms far better, it is taken; where nothing does (tone curves of real cameras), their
quantiles give a monotone curve instead. No alignment is needed for any of this, because frames that follow each other
show nearly the same scene.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from streamfuse.core.frame import Frame, Map

GAMMA = 2.2
NODES = 1024  # of a tone curve over [0, 1]
HISTOGRAM_END = 1.0 + 1e-6  # so that 1.0 lies in the last bin
Levels = npt.NDArray[np.float64]
Transfer = tuple[float, float]  # a, gamma; see `decoded`
SRGB: Transfer = (0.055, 2.4)  # IEC 61966-2-1
BT709: Transfer = (0.099, 1 / 0.45)  # ITU-R BT.709
PLAIN: Transfer = (0.0, GAMMA)

_DARK = 0.03  # below this luma a frame is noise and quantisation
_BRIGHT = 0.96  # above this luma a frame may be clipped
_CLIPPED = 0.998  # from this luma on it surely is
_MIN_SHARE = 0.06  # of the quantiles must be usable in both frames for a ratio to be measured from them
# Where fewer are (a bright scene, exposures far apart), it is measured from those of what the brighter frame shows
# between these levels, if that is so much of it: darker things are as noise in the darker frame.
_SHOWN = (0.3, _BRIGHT)
_MIN_SHOWN, _MIN_PIXELS = 0.004, 300
_MAX_RESIDUAL = 0.025  # mean deviation in luma up to which one ratio explains the histograms
_TRANSFERS = (SRGB, BT709)
_BETTER = 0.6  # times the deviation of a plain factor, from which on another transfer function is believed
_MAX_TRANSFER_RESIDUAL = 0.008  # mean deviation in luma up to which it explains the histograms
_NOISE = 1.5e-3  # two sigma of a dark frame at working size, in linear light
_NOISE_FLOOR = 0.02  # luma of a dark frame below which its noise no longer grows
_QUANTISATION = 0.004  # one code value of 8 bit
_MIN_LUMA = 1 / 255  # luma that is not nothing
_QUANTILES = np.linspace(0.004, 0.996, 249)


@dataclass(frozen=True, slots=True, eq=False)
class IntensityMapping:
    """How luma of a darker frame maps to luma of a brighter one, and back.

    Args:
        up: `NODES` float32 values in [0, 1], dark luma i / (NODES - 1) in the brighter frame's scale; monotone.
        down: the same from bright to dark; what is clipped in the brighter frame maps to the value at which it clips.
        gap_ev: exposure difference in EV, >= 0; a rough figure where `exact` is False.
        exact: a plain ratio, known or measured.
        rough: a curve from quantiles.
        balance: what R' and B' of the darker frame are multiplied by, before all else, where the white balance of the
            two differs; see `align.balance`.
        transfer: what makes linear light of luma in both, where the frames tell.
    """

    up: Map
    down: Map
    gap_ev: float
    exact: bool
    rough: bool = False
    balance: tuple[float, float] = (1.0, 1.0)
    transfer: Transfer | None = None

    def brighten(self, values: Map) -> Map:
        """Normalised values (luma, R', G' or B') of the darker frame, any shape, in the brighter frame's scale."""
        if self.exact:  # arithmetic is several times faster than a table
            return np.minimum(values * self.factor, np.float32(1.0))
        return _apply(self.up, values)

    def darken(self, values: Map) -> Map:
        """Normalised values of the brighter frame, any shape, in the darker frame's scale."""
        return values * (1 / self.factor) if self.exact else _apply(self.down, values)

    def brighten_rgb(self, rgb: Map) -> Map:
        """R'G'B' (h, w, 3) of the darker frame in the brighter frame's scale, white balance included."""
        return self.brighten(rgb if self.neutral else rgb * self._gains)

    def darken_rgb(self, rgb: Map) -> Map:
        """R'G'B' (h, w, 3) of the brighter frame in the darker frame's scale, white balance included."""
        return (
            self.darken(rgb) if self.neutral else np.minimum(self.darken(rgb) / self._gains, np.float32(1.0))
        )

    @property
    def neutral(self) -> bool:
        """Tell whether both exposures have one white balance."""
        return self.balance == (1.0, 1.0)

    @property
    def _gains(self) -> Map:
        return np.array((self.balance[0], 1.0, self.balance[1]), np.float32)

    @property
    def factors(self) -> Map:
        """(3,): ratios of R', G' and B' of an exact curve, white balance included."""
        return self.factor * self._gains

    @property
    def factor(self) -> np.float32:
        """Ratio of code values that `gap_ev` stands for."""
        return np.float32(2.0 ** (self.gap_ev / GAMMA))

    def bounds(self) -> tuple[Map, Map]:
        """Give what a darker frame tells of the brighter one: (lowest, highest) luma there, in the brighter scale.

        Two tables of `NODES` float32 values over luma of the darker frame, brightened, in [0, 1]. The darker frame's
        noise, nearly constant in linear light, makes this wide in the shadows.
        """
        nodes = np.linspace(0.0, 1.0, NODES)
        x = self.down.astype(np.float64) ** GAMMA
        low = np.maximum(x - _NOISE, 0.0) ** (1 / GAMMA) - _QUANTISATION
        high = (x + _NOISE) ** (1 / GAMMA) + _QUANTISATION
        lower = np.where(low <= 0.0, 0.0, np.interp(low, nodes, self.up)).astype(np.float32)
        upper = np.interp(high, nodes, self.up).astype(np.float32)
        return lower, upper

    def noise(self, raised: Map) -> Map:
        """Give what the darker frame's noise (`_NOISE`) is in the brighter scale: d raised / d linear x noise.

        Args:
            raised: luma (h, w) of the darker frame, brightened.
        """
        return _apply(self.noise_table(), raised)

    def noise_table(self) -> Map:
        """`noise` of luma i / (NODES - 1), brightened."""
        dark = self.down.astype(np.float64)
        nodes = np.linspace(0.0, 1.0, NODES)
        lit = np.maximum(dark, _NOISE_FLOOR)
        factor = np.maximum(nodes, np.interp(_NOISE_FLOOR, nodes, self.up)) / lit
        table: Map = (_NOISE / GAMMA * factor * lit ** (1 - GAMMA)).astype(np.float32)
        return table


def ratio_curve(gap_ev: float) -> IntensityMapping:
    """Give the curve of a known exposure difference."""
    x = np.linspace(0.0, 1.0, NODES, dtype=np.float32)
    factor = np.float32(2.0 ** (gap_ev / GAMMA))
    return IntensityMapping(np.minimum(x * factor, 1.0), x / factor, gap_ev, True, transfer=PLAIN)


def transfer_curve(gap_ev: float, transfer: Transfer) -> IntensityMapping:
    """Give the curve of an exposure difference for a camera with this transfer function."""
    light = decoded(np.linspace(0.0, 1.0, NODES), transfer)
    up, down = (
        encoded(np.minimum(light * ratio, 1.0), transfer).astype(np.float32)
        for ratio in (2.0**gap_ev, 2.0**-gap_ev)
    )
    return IntensityMapping(up, down, gap_ev, False, transfer=transfer)


def decoded(luma: Levels, transfer: Transfer) -> Levels:
    """Linear light of luma in [0, 1]: ((luma + a) / (1 + a)) ** gamma, continued by its tangent through 0."""
    a, gamma = transfer
    if a == 0:
        return luma**gamma
    toe, knee = _join(transfer)
    power = ((np.maximum(luma, toe) + a) / (1 + a)) ** gamma
    return np.where(luma < toe, luma * knee / toe, power)


def encoded(light: Levels, transfer: Transfer) -> Levels:
    """Luma of linear light in [0, 1]: the inverse of `decoded`."""
    a, gamma = transfer
    if a == 0:
        return light ** (1 / gamma)
    toe, knee = _join(transfer)
    power = (1 + a) * np.maximum(light, knee) ** (1 / gamma) - a
    return np.where(light < knee, light * toe / knee, power)


def _join(transfer: Transfer) -> tuple[float, float]:
    """Luma and linear light where tangent and power meet."""
    a, gamma = transfer
    toe = a / (gamma - 1)
    return toe, ((toe + a) / (1 + a)) ** gamma


def estimate_curve(dark: list[Map], bright: list[Map]) -> IntensityMapping:
    """Give the curve between two exposures from the histograms of a few frames of each.

    Args:
        dark: normalised pictures of the darker exposure, at least one: G' rather than luma, since it clips at once.
        bright: the same of the brighter exposure.
    """
    return curve_of_histograms(histogram(dark), histogram(bright))


def histogram(pictures: list[Map]) -> Levels:
    """Tell how many pixels of normalised pictures lie in each of `NODES` bins over [0, 1]."""
    counts = np.zeros(NODES)
    for picture in pictures:
        counts += cv2.calcHist([picture], [0], None, [NODES], [0.0, HISTOGRAM_END]).ravel()
    return counts


def curve_of_histograms(dark: Levels, bright: Levels) -> IntensityMapping:
    """Give the curve between two exposures from `histogram` of each."""
    d, b = _quantiles(dark), _quantiles(bright)
    # All that clips has one value, and between it and the next lower one there is nothing.
    usable = (d > _DARK) & (b < _BRIGHT) & (_below(bright, _BRIGHT) > _QUANTILES)
    shown = (d[usable], b[usable]) if usable.mean() >= _MIN_SHARE else _shown(dark, bright)
    low, high = (levels.astype(np.float64) for levels in shown)
    if not len(low):
        return _quantile_curve(d, b, _rough_gap(d, b))
    factor = max(_ratio(low, high), 1.0)
    residual = float(np.abs(low * factor - high).mean())
    fits = [_fitted(low, high, transfer) for transfer in _TRANSFERS]
    best, gap = min(fits)
    if gap > 0 and best < min(_BETTER * residual, _MAX_TRANSFER_RESIDUAL):
        return transfer_curve(gap, _TRANSFERS[fits.index((best, gap))])
    gap = GAMMA * float(np.log2(factor))
    return ratio_curve(gap) if residual < _MAX_RESIDUAL else _quantile_curve(d, b, gap)


def _ratio(low: Levels, high: Levels) -> float:
    """Of levels that belong together: what errs least in code values, of those that the median ratio explains.

    A median alone follows what most levels are, which are dark ones: noise and flicker of lamps show most there.
    """
    middle = float(np.median(high / low))
    explained = np.abs(low * middle - high) <= _MAX_RESIDUAL
    low, high = low[explained], high[explained]
    return float(low @ high / (low @ low)) if len(low) else middle


def _fitted(low: Levels, high: Levels, transfer: Transfer) -> tuple[float, float]:
    """(Mean deviation in luma, exposure difference in EV) of levels that belong together."""
    light = decoded(low, transfer)
    ratio = float(np.median(decoded(high, transfer) / light))
    return float(np.abs(encoded(light * ratio, transfer) - high).mean()), float(np.log2(ratio))


def known_gap(dark: Frame, bright: Frame) -> float | None:
    """Exposure difference in EV from the metadata of both frames, where there is any."""
    if dark.exposure is None or bright.exposure is None:
        return None
    low, high = dark.exposure.ev, bright.exposure.ev
    return None if low is None or high is None or high <= low else high - low


def with_known_gap(measured: IntensityMapping, gap_ev: float) -> IntensityMapping:
    """Give the curve for an exposure difference that metadata tell: footage says what transfer function it has."""
    if measured.exact or measured.rough:
        return ratio_curve(gap_ev)
    return replace(measured, gap_ev=gap_ev)


def _apply(table: Map, luma: Map) -> Map:
    return np.take(table, (luma * np.float32(NODES - 1) + np.float32(0.5)).astype(np.uint16), mode="clip")


def _shown(dark: Levels, bright: Levels) -> tuple[Map, Map]:
    """Quantiles of both frames over the little that the brighter one shows within range; none of too little."""
    first, last = (_below(bright, level) for level in _SHOWN)
    if last - first < max(_MIN_SHOWN, _MIN_PIXELS / bright.sum()):
        return np.empty(0, np.float32), np.empty(0, np.float32)
    shares = np.linspace(first, last, 66)[1:-1]
    d, b = _quantiles(dark, shares), _quantiles(bright, shares)
    usable = (d > _DARK) & (b < _BRIGHT)
    return d[usable], b[usable]


def _below(histogram: Levels, level: float) -> float:
    """Share of the pixels below a level."""
    return float(histogram[: int(level * NODES)].sum() / histogram.sum())


def _quantiles(histogram: Levels, shares: Levels = _QUANTILES) -> Map:
    # A code value stands for all that is rounded to it: half of its share lies below. Bins between codes are empty.
    bins = np.flatnonzero(histogram)
    share = (np.cumsum(histogram) - histogram / 2)[bins] / histogram.sum()
    return np.interp(shares, share, (bins + 0.5) / NODES).astype(np.float32)


def _quantile_curve(d: Map, b: Map, gap: float) -> IntensityMapping:
    x = np.linspace(0.0, 1.0, NODES, dtype=np.float32)
    up = np.maximum.accumulate(np.interp(x, *_knots(d, b))).astype(np.float32)
    down = np.maximum.accumulate(np.interp(x, *_knots(b, d))).astype(np.float32)
    return IntensityMapping(up, down, gap, False, rough=True)


def _knots(x: Map, y: Map) -> tuple[Levels, Levels]:
    """Knots of a monotone curve through quantile pairs: the mean y at each distinct x, from (0, 0) on and up to 1."""
    bins, index = np.unique(np.round(x * (NODES - 1)), return_inverse=True)
    places = bins.astype(np.float64) / (NODES - 1)
    values = np.bincount(index, y) / np.bincount(index)
    if places[0] > 0:
        places, values = np.insert(places, 0, 0.0), np.insert(values, 0, 0.0)
    if places[-1] < 1:
        places, values = np.append(places, 1.0), np.append(values, max(values[-1], y[-1]))
    return places, np.maximum.accumulate(values)


def _rough_gap(d: Map, b: Map) -> float:
    """Estimate the gap where hardly a pixel is usable in both: it is between the quantiles above which each clips."""
    gaps = []
    for level in (_BRIGHT, _CLIPPED):
        at = min(int(np.searchsorted(b, level)), len(b) - 1)
        gaps.append(GAMMA * float(np.log2(max(float(b[at]), _MIN_LUMA) / max(float(d[at]), _MIN_LUMA))))
    return max(sum(gaps) / 2, 0.0)
