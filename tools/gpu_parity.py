"""Parity of each CUDA kernel against its torch reference in float64, for the GPU suite."""

from __future__ import annotations

from collections.abc import Callable

import cuda_cases as make
import torch

from streamfuse.backends.cuda import blend, finish, flow, unpack, warp
from streamfuse.backends.cuda.launch import launcher_for

KERNEL_SIZE = (481, 641)


def parity(device: torch.device, dry: bool) -> dict[str, float]:
    """Largest difference of each kernel to its reference in float64; codes where codes come out, else luma 0..1."""
    launcher = launcher_for(device)
    height, width = (33, 45) if dry else KERNEL_SIZE
    size, how, f64 = (height, width), make.the_coding(8), torch.float64
    half = ((height + 1) // 2, (width + 1) // 2)
    lumas, chroma = make.codes((2, *size), 8, 1), make.codes((2, 2, *half), 8, 2)
    maps = make.the_maps(*size, 2, 1, 3)
    grid = (height // 2, width // 2)
    motion, share, fused = make.a_flow(*grid, 4), make.floats(grid, 5), make.floats(size, 6)
    here, there = make.floats(grid, 7), make.floats((2, *grid), 8)
    table = torch.linspace(0, 1, 1024)
    scale = (height / grid[0], width / grid[1])

    def put(t: torch.Tensor) -> torch.Tensor:
        return t.to(device)

    def apart(ours: torch.Tensor, exact: torch.Tensor) -> float:
        return float((ours.cpu().to(f64) - exact.cpu().to(f64)).abs().max())

    def both(place: Callable[[torch.Tensor], torch.Tensor]) -> tuple[warp.Neighbour, ...]:
        return tuple(warp.Neighbour(place(p[None]), place(motion)) for p in lumas)

    def explained(place: Callable[[torch.Tensor], torch.Tensor]) -> warp.Comparison:
        return warp.Comparison(place((table - 0.02).clamp(min=0)), place(table + 0.03), 0.35, 0.02, 0.012)

    ratio, placed_ratio = (
        unpack.Tone(t, 2.1) for t in ((table * 2.1).clamp(max=1), put((table * 2.1).clamp(max=1)))
    )
    moved = blend.DeviceMaps(tuple(map(put, maps.priors)), tuple(map(put, maps.gains)), maps.coverage)
    flows = torch.stack([motion, motion + 1])
    pictures = there * 255
    start = put(flows.clamp(-4, 4))
    coloured = (lumas, fused, chroma, maps.priors[2])
    placed = put(lumas), put(fused), put(chroma), put(maps.priors[2])
    matched = unpack.match(put(lumas[0]), put(chroma[:, 0].contiguous()), placed_ratio, how, launcher)
    exact_match = unpack.match_reference(lumas[0], chroma[:, 0], ratio, how, f64)
    assert matched[1] is not None
    assert exact_match[1] is not None
    compared = warp.compare(put(here), put(there), put(flows), True, explained(put), launcher)
    exact_compared = warp.compare_reference(here, there, flows, True, explained(lambda t: t), f64)
    seen = flow.look_along(pictures.to(f64), start.cpu().to(f64))
    system = flow.linearise_reference(pictures.flip(0).to(f64), seen, start.cpu().to(f64))
    out = put(torch.zeros((2, *half), dtype=torch.uint8))
    return {
        "unpack": apart(
            unpack.unpack(put(lumas[0]), how, launcher=launcher),
            unpack.unpack_reference(lumas[0], how, size, 1.0, f64),
        ),
        "match_luma_codes": apart(matched[0], exact_match[0]),
        "match_chroma_codes": apart(matched[1], exact_match[1]),
        "synthesise_codes": apart(
            warp.synthesise(both(put), put(lumas[:1]), put(share), put(share), scale, 255.0, True, launcher),
            warp.synthesise_reference(both(lambda t: t), lumas[:1], share, share, scale, 255.0, True, f64),
        ),
        "compare_error": apart(compared[1], exact_compared[1]),
        "blend": apart(
            blend.blend(put(lumas), how, moved, make.EXPONENTS, 1, launcher),
            blend.blend_reference(lumas, how, maps, make.EXPONENTS, 1, f64),
        ),
        "pack_luma_codes": apart(
            finish.pack_luma(put(fused), how, put(torch.zeros(size, dtype=torch.uint8)), False, launcher),
            finish.pack_luma_reference(fused, how, False, f64),
        ),
        "fuse_chroma_codes": apart(
            finish.fuse_chroma(*placed, maps.coverage, how, out, launcher=launcher),
            finish.fuse_chroma_reference(*coloured, maps.coverage, how, False, f64),
        ),
        "look_along_255": apart(flow.look_along(put(pictures), start, launcher), seen),
        "relax_px": apart(
            flow.relax(start, put(system.float()), launcher),
            flow.relax_reference(start.cpu().to(f64), system),
        ),
    }
