"""Dense motion on the device: `flow.cu`, its references, and the coarse-to-fine search made of them.

Inverse search of patches (Kroeger et al., ECCV 2016) followed by variational refinement with brightness and slope
constancy (Brox et al., ECCV 2004): the method of `cv2.DISOpticalFlow` with what is sequential there (propagation
from patch to patch, Gauss-Seidel) replaced by what runs in parallel. Its fields are not those of OpenCV, only as good.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from streamfuse.backends.cuda.launch import BLOCK, Launcher, blocks
from streamfuse.backends.cuda.sampling import grid, linear, sample

# As in flow.cu.
PATCH, STRIDE, ITERATIONS, ENOUGH = 8, 4, 12, 1e-4
EPSILON, ZETA = 1e-6, 1e-2
STEPS, KEPT = 5, 22
BRIGHTNESS, SLOPE, SMOOTHNESS = 5.0, 10.0, 40.0  # weights, as the CPU path sets them for OpenCV
WARPS, LAUNCHES = 4, 3  # of a refinement: new linear systems, and launches of STEPS iterations for each
SMALLEST = 16  # pixels: less than two patches


def dense_flow(
    sources: Tensor, targets: Tensor, finest: int, launcher: Launcher | None = None, refinements: int = WARPS
) -> Tensor:
    """Flow (B, 2, h, w), x then y, in pixels, of `sources` towards `targets`.

    Args:
        sources, targets: (B, h, w) float32 luma in [0, 1], of matched exposure.
        finest: motion is found down to 1 / 2 ** finest of the size.
        launcher: None = the torch references.
        refinements: linear systems per level.
    """
    height, width = sources.shape[-2:]
    if min(height, width) < SMALLEST:
        return torch.zeros((len(sources), 2, height, width), dtype=sources.dtype, device=sources.device)
    # Coarse enough that an eighth of the long side is within a patch; no less than two patches.
    coarsest = int(
        math.log2(max(1.0, min(max(height, width) / (2.5 * PATCH), min(height, width) / SMALLEST)))
    )
    finest = min(finest, coarsest)
    pictures = [torch.cat([sources, targets]) * 255.0]
    for _ in range(coarsest):
        pictures.append(F.avg_pool2d(pictures[-1][:, None], 2)[:, 0].contiguous())
    flow: Tensor | None = None
    for level in range(coarsest, finest - 1, -1):
        source, target = (half.contiguous() for half in pictures[level].chunk(2))
        size = (source.shape[-2], source.shape[-1])
        if flow is None:
            flow = torch.zeros((len(source), 2, *size), dtype=source.dtype, device=source.device)
        else:
            flow = (2.0 * linear(flow, size, (0.5, 0.5))).contiguous()
        flow = densify(source, target, search(source, target, flow, launcher), launcher)
        flow = refine(source, target, flow, launcher, refinements)
    assert flow is not None
    if finest:
        step = 1.0 / (1 << finest)
        flow = ((1 << finest) * linear(flow, (height, width), (step, step))).contiguous()
    return flow


def patch_counts(rows: int, columns: int) -> tuple[int, int]:
    """Patches along both axes: the first hangs over by half, the last by half or more."""
    return (rows - 1) // STRIDE + 2, (columns - 1) // STRIDE + 2


def search(sources: Tensor, targets: Tensor, start: Tensor, launcher: Launcher | None = None) -> Tensor:
    """Motion of each patch, (B, 2, patch rows, patch columns).

    Args:
        sources, targets: (B, h, w) float32, luma x 255.
        start: (B, 2, h, w) to begin with.
        launcher: None = the torch reference.
    """
    if launcher is None:
        return search_reference(sources, targets, start)
    batch, rows, columns = sources.shape
    counts = patch_counts(rows, columns)
    out = torch.empty((batch, 2, *counts), dtype=torch.float32, device=sources.device)
    arguments = (sources, targets, start, rows, columns, *counts, out)
    launcher("flow", "search", blocks(*counts, batch, (4, 32)), (32, 4, 1), arguments)
    return out


def search_reference(sources: Tensor, targets: Tensor, start: Tensor) -> Tensor:
    """Do what `search` does, in torch, in the dtype of its arguments."""
    rows, columns = sources.shape[-2:]
    y, x = (
        _patch_pixels(side, count, sources)
        for side, count in zip((rows, columns), patch_counts(rows, columns), strict=True)
    )
    shape = (y.shape[0], x.shape[0])
    # (patch row, patch column, line, column) of each pixel of each patch
    ys = y[:, None, :, None].expand(*shape, PATCH, PATCH).flatten(2).flatten(0, 1)
    xs = x[None, :, None, :].expand(*shape, PATCH, PATCH).flatten(2).flatten(0, 1)
    own, gx, gy = _slopes(sources, ys, xs)
    sx, sy = gx.sum(-1), gy.sum(-1)
    area = PATCH * PATCH
    xx, xy, yy = (
        (gx * gx).sum(-1) - sx * sx / area,
        (gx * gy).sum(-1) - sx * sy / area,
        (gy * gy).sum(-1) - sy * sy / area,
    )

    def residual(flow: Tensor) -> tuple[Tensor, Tensor]:
        difference = sample(targets, xs + flow[:, 0, :, None], ys + flow[:, 1, :, None]) - own
        return difference, (difference**2).sum(-1) - difference.sum(-1) ** 2 / area

    begin = _candidates(start, shape)
    difference, best = residual(begin[0])
    now = begin[0]
    for other in begin[1:]:
        there, cost = residual(other)
        better = cost < best
        now = torch.where(better[:, None], other, now)
        difference = torch.where(better[..., None], there, difference)
        best = torch.where(better, cost, best)
    first, found = now, now
    determinant = xx * yy - xy * xy
    active = (determinant > 1e-3 * (xx + yy) ** 2) & (xx + yy > area * 0.05)
    for _ in range(ITERATIONS):
        total = difference.sum(-1)
        bx, by = (difference * gx).sum(-1) - sx * total / area, (difference * gy).sum(-1) - sy * total / area
        step = torch.stack([(yy * bx - xy * by) / determinant, (xx * by - xy * bx) / determinant], 1)
        now = torch.where(active[:, None], now - step, now)
        active = active & ((now - first).abs().amax(1) <= PATCH)
        difference, cost = residual(now)
        better = active & (cost < best)
        best, found = torch.where(better, cost, best), torch.where(better[:, None], now, found)
        active = active & ((step**2).sum(1) >= ENOUGH)
    return found.reshape(*found.shape[:2], *shape)


def _patch_pixels(side: int, count: int, like: Tensor) -> Tensor:
    """(count, PATCH): coordinates of the pixels of each patch along one axis, inside the picture."""
    begin = torch.arange(count, device=like.device)[:, None] * STRIDE - STRIDE
    return (begin + torch.arange(PATCH, device=like.device)).clamp(0, side - 1)


def _slopes(pictures: Tensor, y: Tensor, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Values and slopes (B, patches, pixels) at whole coordinates."""
    rows, columns = pictures.shape[-2:]
    flat = pictures.flatten(1)

    def at(v: Tensor, u: Tensor) -> Tensor:
        return flat[:, v.clamp(0, rows - 1) * columns + u.clamp(0, columns - 1)]

    return at(y, x), 0.5 * (at(y, x + 1) - at(y, x - 1)), 0.5 * (at(y + 1, x) - at(y - 1, x))


def _candidates(start: Tensor, shape: tuple[int, int]) -> list[Tensor]:
    """Five fields (B, 2, patches): the start at each patch, and at the patches left, right, above and below."""
    rows, columns = start.shape[-2:]
    y, x = (torch.arange(count, device=start.device) for count in shape)
    found = []
    for down, across in ((0, 0), (0, -1), (0, 1), (-1, 0), (1, 0)):
        at_y = ((y + down) * STRIDE).clamp(0, rows - 1)
        at_x = ((x + across) * STRIDE).clamp(0, columns - 1)
        found.append(start[..., at_y, :][..., at_x].flatten(-2))
    return found


def densify(sources: Tensor, targets: Tensor, patches: Tensor, launcher: Launcher | None = None) -> Tensor:
    """Field (B, 2, h, w) from the motion of the patches (B, 2, patch rows, patch columns)."""
    if launcher is None:
        return densify_reference(sources, targets, patches)
    batch, rows, columns = sources.shape
    out = torch.empty((batch, 2, rows, columns), dtype=torch.float32, device=sources.device)
    arguments = (sources, targets, patches, rows, columns, *patches.shape[2:], out)
    launcher("flow", "densify", blocks(rows, columns, batch), BLOCK, arguments)
    return out


def densify_reference(sources: Tensor, targets: Tensor, patches: Tensor) -> Tensor:
    """Do what `densify` does, in torch."""
    rows, columns = sources.shape[-2:]
    x, y = grid(rows, columns, sources)
    at_y = torch.arange(rows, device=sources.device) // STRIDE
    at_x = torch.arange(columns, device=sources.device) // STRIDE
    total, field = torch.zeros_like(sources), torch.zeros_like(patches[:, :, :1, :1])
    for down in (0, 1):
        for across in (0, 1):
            flow = patches[..., at_y + down, :][..., at_x + across]
            seen = sample(targets, x + flow[:, 0], y + flow[:, 1])
            weight = 1.0 / (seen - sources).abs().clamp_min(1.0)
            total, field = total + weight, field + weight[:, None] * flow
    return (field / total[:, None]).contiguous()


def refine(sources: Tensor, targets: Tensor, flow: Tensor, launcher: Launcher | None, warps: int) -> Tensor:
    """Give the field (B, 2, h, w) after `warps` rounds of variational refinement."""
    for _ in range(warps):
        seen = look_along(targets, flow, launcher)
        system = linearise(sources, seen, flow, launcher)
        for _ in range(LAUNCHES):
            flow = relax(flow, system, launcher)
    return flow


def look_along(targets: Tensor, flow: Tensor, launcher: Launcher | None = None) -> Tensor:
    """Give the targets (B, h, w) seen from where the field starts."""
    batch, rows, columns = targets.shape
    if launcher is None:
        x, y = grid(rows, columns, targets)
        return sample(targets, x + flow[:, 0], y + flow[:, 1])
    out = torch.empty_like(targets)
    launcher("flow", "look_along", blocks(rows, columns, batch), BLOCK, (targets, flow, rows, columns, out))
    return out


def linearise(sources: Tensor, seen: Tensor, flow: Tensor, launcher: Launcher | None = None) -> Tensor:
    """Give the linear system of a refinement, (B, 6, h, w): a11, a12, a22, c1, c2 and the smoothness weight."""
    if launcher is None:
        return linearise_reference(sources, seen, flow)
    batch, rows, columns = sources.shape
    out = torch.empty((batch, 6, rows, columns), dtype=torch.float32, device=sources.device)
    arguments = (sources, seen, flow, rows, columns, BRIGHTNESS, SLOPE, SMOOTHNESS, out)
    launcher("flow", "linearise", blocks(rows, columns, batch), BLOCK, arguments)
    return out


def linearise_reference(sources: Tensor, seen: Tensor, flow: Tensor) -> Tensor:
    """Do what `linearise` does, in torch."""
    ix, iy, ixx, ixy, iyy = _derivatives(0.5 * (sources + seen))
    z = seen - sources
    zx, zy, *_ = _derivatives(z)
    norm = ix**2 + iy**2 + ZETA
    weight = BRIGHTNESS / (norm * (z**2 / norm + EPSILON).sqrt())
    norm_x, norm_y = ixx**2 + ixy**2 + ZETA, ixy**2 + iyy**2 + ZETA
    both = SLOPE / (zx**2 / norm_x + zy**2 / norm_y + EPSILON).sqrt()
    weight_x, weight_y = both / norm_x, both / norm_y
    a11 = weight * ix**2 + weight_x * ixx**2 + weight_y * ixy**2
    a12 = weight * ix * iy + weight_x * ixx * ixy + weight_y * ixy * iyy
    a22 = weight * iy**2 + weight_x * ixy**2 + weight_y * iyy**2
    b1 = weight * z * ix + weight_x * zx * ixx + weight_y * zy * ixy
    b2 = weight * z * iy + weight_x * zx * ixy + weight_y * zy * iyy
    u, v = flow[:, 0], flow[:, 1]
    slopes = _forward(flow)
    smooth = SMOOTHNESS / ((slopes**2).sum((0, 2)) + EPSILON).sqrt()
    return torch.stack([a11, a12, a22, a11 * u + a12 * v - b1, a12 * u + a22 * v - b2, smooth], 1)


def _derivatives(p: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """dx, dy, dxx, dxy, dyy of (B, h, w)."""
    q = F.pad(p[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    left, right, above, below = q[:, 1:-1, :-2], q[:, 1:-1, 2:], q[:, :-2, 1:-1], q[:, 2:, 1:-1]
    cross = q[:, 2:, 2:] - q[:, 2:, :-2] - q[:, :-2, 2:] + q[:, :-2, :-2]
    return (
        0.5 * (right - left),
        0.5 * (below - above),
        right - 2 * p + left,
        0.25 * cross,
        below - 2 * p + above,
    )


def _forward(flow: Tensor) -> Tensor:
    """(2, B, 2, h, w): differences to the right and to the line below, 0 at the border."""
    across = F.pad(flow[..., 1:] - flow[..., :-1], (0, 1))
    down = F.pad(flow[..., 1:, :] - flow[..., :-1, :], (0, 0, 0, 1))
    return torch.stack([across, down])


def relax(flow: Tensor, system: Tensor, launcher: Launcher | None = None) -> Tensor:
    """Give the field after STEPS Jacobi iterations."""
    if launcher is None:
        return relax_reference(flow, system)
    batch, _, rows, columns = flow.shape
    out = torch.empty_like(flow)
    arguments = (flow, system, rows, columns, out)
    launcher("flow", "relax", blocks(rows, columns, batch, (KEPT, KEPT)), (32, 32, 1), arguments)
    return out


def relax_reference(flow: Tensor, system: Tensor) -> Tensor:
    """Do what `relax` does, in torch."""
    a11, a12, a22, c1, c2, smooth = system.unbind(1)
    across = 0.5 * (smooth[..., 1:] + smooth[..., :-1])
    down = 0.5 * (smooth[..., 1:, :] + smooth[..., :-1, :])
    shares = (
        F.pad(across, (1, 0)),
        F.pad(across, (0, 1)),
        F.pad(down, (0, 0, 1, 0)),
        F.pad(down, (0, 0, 0, 1)),
    )
    total = shares[0] + shares[1] + shares[2] + shares[3]
    determinant = (a11 + total) * (a22 + total) - a12 * a12
    for _ in range(STEPS):
        left, right = F.pad(flow[..., :-1], (1, 0)), F.pad(flow[..., 1:], (0, 1))
        above, below = F.pad(flow[..., :-1, :], (0, 0, 1, 0)), F.pad(flow[..., 1:, :], (0, 0, 0, 1))
        parts = zip(shares, (left, right, above, below), strict=True)
        pull = torch.stack([share[:, None] * near for share, near in parts]).sum(0)
        u, v = c1 + pull[:, 0], c2 + pull[:, 1]
        flow = (
            torch.stack([(a22 + total) * u - a12 * v, (a11 + total) * v - a12 * u], 1) / determinant[:, None]
        )
    return flow
