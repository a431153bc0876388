"""LCNDR: a coordinated network for detail-refinement multi-exposure fusion, on luma.

After Li, Liu, Zhou, Zhang and Kasabov (IEEE TCSVT 33(2), 2023, doi 10.1109/TCSVT.2022.3202692): a collaborative
extraction module, a self-attention module, smooth attention weight maps and an edge revision module, trained end to
end. What happens inside each module is this project's design; `docs/lcndr.md` says which is which.

The network looks at the picture through a few features at a quarter of its resolution and answers with small maps
(`NetworkMaps`); the pixels themselves are blended outside, in a Laplacian pyramid, with weights that sum to 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from streamfuse.fusion.highlights import alone, favour, restore
from streamfuse.fusion.lcndr_config import FEATURES, LEVELS, LOGIT_SCALE, REVISED, VIEWS, LcndrConfig
from streamfuse.fusion.pyramid import (
    band_weights,
    collapse,
    laplacian_pyramid,
    local_energy,
    pad_to_multiple,
    upsample,
)
from streamfuse.fusion.pyramid_settings import FAVOUR, FAVOUR_NEXT


@dataclass(frozen=True, slots=True, eq=False)
class NetworkMaps:
    """What the network says of a batch of brackets, at the network's own scale.

    Args:
        priors: for band 0..LEVELS-1 and the base, (B, N, h, w), positive, summing to 1 over the N exposures.
        gains: for band 0..REVISED-1, (B, 1, h, w): how edge revision scales the fused detail, by 0.5 to 1.5, and in
            highlights up to 3.75, see `streamfuse.fusion.highlights`.
    """

    priors: tuple[Tensor, ...]
    gains: tuple[Tensor, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Pyramid:
    """What every network sees of a batch of brackets; networks that are trained side by side share it.

    Args:
        gaussian: levels 0..LEVELS of the luma, (B, N, H, W), sides padded to multiples of 32.
        bands: the Laplacian ones, 0..LEVELS-1.
        energies: `local_energy` of the bands.
        size: (H, W) before padding.
    """

    gaussian: list[Tensor]
    bands: list[Tensor]
    energies: list[Tensor]
    size: tuple[int, int]

    @classmethod
    def of(cls, luma: Tensor) -> Pyramid:
        """Give the pyramid of luma (B, N, H, W) whose sides are multiples of 32."""
        gaussian, bands = laplacian_pyramid(luma, LEVELS)
        height, width = luma.shape[-2:]
        return cls(gaussian, bands, [local_energy(band) for band in bands], (height, width))

    @classmethod
    def padded(cls, luma: Tensor) -> Pyramid:
        """Give the pyramid of luma with sides of any length."""
        height, width = luma.shape[-2:]
        return replace(cls.of(pad_to_multiple(luma, 1 << LEVELS)), size=(height, width))

    def mirrored(self, axes: tuple[int, ...]) -> Pyramid:
        """Give the pyramid of the mirror image."""
        gaussian, bands, energies = (
            [level.flip(axes) for level in part] for part in (self.gaussian, self.bands, self.energies)
        )
        return Pyramid(gaussian, bands, energies, self.size)


def features(pyramid: Pyramid) -> Tensor:
    """(B * N, 9, H/4, W/4): G1 unshuffled (4), G2, L2, and log local contrast (`local_energy`) of L0, L1, L2.

    They say how bright a place is in each exposure and how much detail of each size it holds, at a quarter of the
    resolution.
    """
    batch, exposures = pyramid.gaussian[0].shape[:2]
    flat_g1 = pyramid.gaussian[1].reshape(batch * exposures, 1, *pyramid.gaussian[1].shape[-2:])
    quarter = pyramid.gaussian[2].shape[-2:]

    def flat(x: Tensor) -> Tensor:
        return x.reshape(batch * exposures, 1, *quarter)

    contrasts = []
    for energy in pyramid.energies[:3]:
        pooled = (
            F.adaptive_avg_pool2d(energy, (quarter[0], quarter[1]))
            if energy.shape[-2:] != quarter
            else energy
        )
        contrasts.append(flat(pooled.log() * 0.25 + 1.5))  # about -1.4 .. 1.5
    return torch.cat(
        [
            F.pixel_unshuffle(flat_g1, 2) - 0.5,
            flat(pyramid.gaussian[2]) - 0.5,
            flat(pyramid.bands[2]) * 4,
            *contrasts,
        ],
        dim=1,
    )


def _conv(inputs: int, outputs: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    """3x3, the border repeated outwards: zeros there would tell it from the middle, and a plain surface would fade."""
    return nn.Conv2d(inputs, outputs, 3, stride, padding=1, groups=groups, padding_mode="replicate")


class Merge(nn.Module):
    """x + conv(relu(a x + b max over exposures of x)): each exposure sees the best of the others.

    (B * N, C, H, W) -> the same. Symmetric in the exposures, for any N.
    """

    def __init__(self, channels: int, collaborate: bool) -> None:
        super().__init__()
        self.own = nn.Parameter(torch.ones(1, channels, 1, 1))
        self.others = nn.Parameter(torch.full((1, channels, 1, 1), -0.5)) if collaborate else None
        self.conv = _conv(channels, channels)

    def forward(self, x: Tensor, exposures: int) -> Tensor:
        """As the class says."""
        mixed = self.own * x
        if self.others is not None:
            grouped = x.reshape(-1, exposures, *x.shape[1:])
            best = grouped.amax(dim=1, keepdim=True).expand_as(grouped).flatten(0, 1)
            mixed = mixed + self.others * best
        out: Tensor = x + self.conv(F.relu(mixed))
        return out


class CoordinateAttention(nn.Module):
    """Gates (C, H, W) by what each line and each column holds (after Hou et al., CVPR 2021)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(8, channels // 4)
        self.reduce = nn.Conv2d(channels, hidden, 1)
        self.line = nn.Conv2d(hidden, channels, 1)
        self.column = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same."""
        lines = F.relu(self.reduce(x.mean(dim=3, keepdim=True)))
        columns = F.relu(self.reduce(x.mean(dim=2, keepdim=True)))
        # 2 * sigmoid: an untrained gate passes its input unchanged on average
        return x * (2 * torch.sigmoid(self.line(lines))) * (2 * torch.sigmoid(self.column(columns)))


class CollaborativeExtraction(nn.Module):
    """CEM: features of all exposures at 1/4, 1/8, 1/16 and 1/32, each scale looking across the exposures.

    Input (B * N, 9 + stem, H/4, W/4), output a list of four (B * N, widths[i], ...).
    """

    def __init__(self, config: LcndrConfig) -> None:
        super().__init__()
        widths = config.widths
        inputs = (FEATURES + config.stem, *widths[:-1])
        self.enter = nn.ModuleList(
            _conv(i, o, stride=1 if n == 0 else 2)
            for n, (i, o) in enumerate(zip(inputs, widths, strict=True))
        )
        self.merge = nn.ModuleList(
            nn.ModuleList(Merge(w, config.collaborate) for _ in range(config.depth)) for w in widths
        )
        self.coordinate = CoordinateAttention(widths[-1])

    def forward(self, x: Tensor, exposures: int) -> list[Tensor]:
        """Features of four scales."""
        scales = []
        for enter, merges in zip(self.enter, self.merge, strict=True):
            x = enter(x)
            for merge in merges:  # type: ignore[attr-defined]
                x = merge(x, exposures)
            scales.append(x)
        scales[-1] = self.coordinate(scales[-1])
        return scales


class SelfAttention(nn.Module):
    """SAM: every patch of every exposure of one sample looks at all the others, at 1/32.

    (B * N, C, h, w) -> the same. The token count N h w is bounded because the picture is brought to at most
    `long_side` first (640 x 640: 400 tokens per exposure); samples of a batch never see each other.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.position = _conv(channels, channels, groups=channels)
        self.norm = nn.LayerNorm(channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)
        nn.init.zeros_(self.out.weight)  # starts as the identity
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor, exposures: int) -> Tensor:
        """(B * N, C, h, w) -> the same."""
        height, width = x.shape[-2:]
        tokens = (x + self.position(x)).unflatten(0, (-1, exposures)).permute(0, 1, 3, 4, 2).flatten(1, 3)
        q, k, v = self.qkv(self.norm(tokens)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        update = self.out(mixed).unflatten(1, (exposures, height, width)).permute(0, 1, 4, 2, 3).flatten(0, 1)
        out: Tensor = x + update
        return out


class WeightMaps(nn.Module):
    """From the features of all scales to smooth weight priors, one set per pyramid level."""

    def __init__(self, config: LcndrConfig) -> None:
        super().__init__()
        widths = config.widths
        self.per_level = config.per_level
        self.lateral = nn.ModuleList(nn.Conv2d(widths[n + 1], widths[n], 1) for n in range(3))
        self.refine = nn.ModuleList(_conv(w, w) for w in widths[:3])
        # Heads at 1/4 (bands 0 to 2), 1/8 (band 3), 1/16 (band 4) and 1/32 (the base).
        outputs = (3, 1, 1, 1) if config.per_level else (1, 0, 0, 0)
        self.heads = nn.ModuleList(
            nn.Conv2d(w, o, 1) if o else nn.Identity() for w, o in zip(widths, outputs, strict=True)
        )

    def forward(self, scales: list[Tensor], exposures: int) -> tuple[Tensor, ...]:
        """Priors for band 0..LEVELS-1 and the base, (B, N, h, w) each."""
        x = scales[3]
        decoded = [x]
        for n in (2, 1, 0):
            x = scales[n] + upsample(self.lateral[n](F.relu(x)), scales[n].shape[-2:])
            x = x + self.refine[n](F.relu(x))
            decoded.insert(0, x)
        if not self.per_level:
            only = self._prior(self.heads[0](decoded[0]), exposures)[:, :, 0]
            return (only,) * (LEVELS + 1)
        logits = [self._prior(head(d), exposures) for head, d in zip(self.heads, decoded, strict=True)]
        quarter, eighth, sixteenth, coarse = logits
        finest = tuple(quarter[:, :, n] for n in range(3))
        return (*finest, eighth[:, :, 0], sixteenth[:, :, 0], coarse[:, :, 0])

    @staticmethod
    def _prior(logit: Tensor, exposures: int) -> Tensor:
        """(B * N, K, h, w) -> (B, N, K, h, w), softmax over the exposures, in float32."""
        grouped = logit.float().reshape(-1, exposures, *logit.shape[1:])
        return torch.softmax(LOGIT_SCALE * grouped, dim=1)


class EdgeRevision(nn.Module):
    """ERM: scales the fused detail between 0.5 and 1.5, from the coarse fused picture and the sources' detail.

    Restores contrast that blending lost, and holds back what is noise. Working as a gain on the detail it cannot
    add anything where there is none: constants stay constant, and the residual is bounded by half the detail.
    """

    INPUTS = 2 + 2 * REVISED

    def __init__(self, hidden: int = 12) -> None:
        super().__init__()
        self.enter = _conv(self.INPUTS, hidden)
        self.body = _conv(hidden, hidden)
        self.head = nn.Conv2d(hidden, REVISED, 1)
        for parameter in self.head.parameters():  # starts as gain 1
            nn.init.zeros_(parameter)

    def forward(
        self, coarse: Tensor, darkest: Tensor, source_energy: list[Tensor], fused_energy: list[Tensor]
    ) -> Tensor:
        """Take all as (B, 1, H/4, W/4); give gains (B, 3, H/4, W/4)."""
        logs = [e.log() * 0.25 + 1.5 for e in (*source_energy, *fused_energy)]
        x = torch.cat([coarse - 0.5, darkest - 0.5, *logs], dim=1)
        x = F.relu(self.enter(x))
        x = F.relu(x + self.body(x))
        return 1 + 0.5 * torch.tanh(self.head(x).float())


def _geometric_mean(priors: Sequence[Tensor]) -> Tensor:
    """Of weights (B, N, h, w) that sum to 1 over the exposures; so does the result."""
    logs = torch.stack([prior.clamp_min(1e-9).log() for prior in priors])
    return torch.softmax(logs.mean(0), dim=1)


class Lcndr(nn.Module):
    """The whole network. `forward` fuses at the network's scale; `maps` gives what a full-size blend needs.

    Luma (B, N, H, W) float32 in [0, 1], N >= 2, H and W multiples of 32 for `maps` (any from 16 up for `forward`).
    """

    def __init__(self, config: LcndrConfig | None = None) -> None:
        super().__init__()
        self.config = config or LcndrConfig()
        stem = self.config.stem
        self.stem = (
            nn.Sequential(_conv(1, stem, stride=2), nn.ReLU(), _conv(stem, stem, stride=2), nn.ReLU())
            if stem
            else None
        )
        self.extraction = CollaborativeExtraction(self.config)
        self.attention = (
            SelfAttention(self.config.widths[-1], self.config.heads) if self.config.attend else None
        )
        self.weight_maps = WeightMaps(self.config)
        self.revision = EdgeRevision() if self.config.revise else None
        # Exponent on each band's local energy; 0.25 is the square root of the local contrast.
        self.sharpness = nn.Parameter(torch.full((LEVELS,), 0.25))

    def exponent(self, level: int) -> Tensor:
        """Exponent (>= 0) on the local energy of band `level`."""
        return self.sharpness[level].clamp_min(0.0)

    def _priors(self, pyramid: Pyramid) -> tuple[Tensor, ...]:
        priors = self._seen(pyramid)
        place = alone(pyramid.gaussian[2])
        finest = (favour(prior, place, FAVOUR) for prior in priors[:REVISED])
        height, width = priors[REVISED].shape[-2:]
        fourth = favour(priors[REVISED], F.adaptive_avg_pool2d(place, (height, width)), FAVOUR_NEXT)
        return (*finest, fourth, *priors[REVISED + 1 :])

    def _seen(self, pyramid: Pyramid) -> tuple[Tensor, ...]:
        if not self.config.mirrored:
            return self._look(pyramid)
        seen = [self._look(pyramid.mirrored(axes)) for axes in VIEWS]
        upright = [[prior.flip(axes) for prior in priors] for axes, priors in zip(VIEWS, seen, strict=True)]
        return tuple(_geometric_mean(views) for views in zip(*upright, strict=True))

    def _look(self, pyramid: Pyramid) -> tuple[Tensor, ...]:
        luma = pyramid.gaussian[0]
        exposures = luma.shape[1]
        x = features(pyramid)
        if self.stem is not None:
            x = torch.cat([x, self.stem(luma.flatten(0, 1).unsqueeze(1) - 0.5)], dim=1)
        scales = self.extraction(x, exposures)
        if self.attention is not None:
            scales[3] = self.attention(scales[3], exposures)
        priors: tuple[Tensor, ...] = self.weight_maps(scales, exposures)
        return priors

    def _blend(self, priors: tuple[Tensor, ...], pyramid: Pyramid) -> tuple[Tensor, list[Tensor]]:
        """(base, fused bands)."""
        fused = []
        for level, (band, energy) in enumerate(zip(pyramid.bands, pyramid.energies, strict=True)):
            weights = band_weights(priors[level], energy, self.exponent(level))
            fused.append((weights * band).sum(1, keepdim=True))
        coarsest = pyramid.gaussian[-1]
        base = (upsample(priors[-1], coarsest.shape[-2:]) * coarsest).sum(1, keepdim=True)
        return base, fused

    def _gains(self, base: Tensor, fused: list[Tensor], pyramid: Pyramid) -> Tensor:
        assert self.revision is not None
        gaussian, energies = pyramid.gaussian, pyramid.energies
        quarter = fused[2].shape[-2:]
        coarse = collapse(base, fused[2:], gaussian[2:], extra=-2)

        def pooled(energy: Tensor) -> Tensor:
            return (
                energy
                if energy.shape[-2:] == quarter
                else F.adaptive_avg_pool2d(energy, (quarter[0], quarter[1]))
            )

        source = [pooled(e.amax(1, keepdim=True)) for e in energies[:REVISED]]
        detail = [pooled(local_energy(f)) for f in fused[:REVISED]]
        gains = self.revision(coarse, gaussian[2].amin(1, keepdim=True), source, detail)
        return restore(gains, alone(gaussian[2]), gaussian[2], coarse, detail)

    def maps(self, luma: Tensor) -> NetworkMaps:
        """Priors and gains for a stack (B, N, H, W) whose sides are multiples of 32."""
        pyramid = Pyramid.of(luma)
        priors = self._priors(pyramid)
        if self.revision is None:
            return NetworkMaps(priors, ())
        gains = self._gains(*self._blend(priors, pyramid), pyramid)
        return NetworkMaps(priors, tuple(gains[:, n : n + 1] for n in range(REVISED)))

    def forward(self, luma: Tensor | Pyramid) -> Tensor:
        """Fused luma (B, 1, H, W), not clamped (training needs to see what leaves [0, 1])."""
        pyramid = luma if isinstance(luma, Pyramid) else Pyramid.padded(luma)
        base, fused = self._blend(self._priors(pyramid), pyramid)
        if self.revision is not None:
            gains = self._gains(base, fused, pyramid)
            for n in range(REVISED):
                fused[n] = fused[n] * upsample(gains[:, n : n + 1], fused[n].shape[-2:])
        height, width = pyramid.size
        return collapse(base, fused, pyramid.gaussian)[..., :height, :width]
