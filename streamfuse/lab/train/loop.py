"""The training loop: one process, any device, resumable; several networks at once on the same batches."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from streamfuse.errors import ConfigError, OutputError
from streamfuse.fusion.device import resolve_device
from streamfuse.fusion.lcndr import Lcndr, Pyramid
from streamfuse.fusion.models import save_weights
from streamfuse.lab.evaluate.mef_ssim import MefSsim
from streamfuse.lab.train.camera_model import two_frames
from streamfuse.lab.train.checkpoint import is_current, restore, store
from streamfuse.lab.train.curves import write_curves
from streamfuse.lab.train.data import Sample, Sampler, Stack, load_panoramas, load_stacks
from streamfuse.lab.train.interrupt import Interrupt
from streamfuse.lab.train.learner import Batch, Learner
from streamfuse.lab.train.log import Log
from streamfuse.lab.train.losses import temporal_loss
from streamfuse.lab.train.train_config import TrainConfig
from streamfuse.lab.train.white_balance import WhiteBalance

Report = Callable[[str], None]
_STORE_EVERY = 100  # steps: what a machine that fails takes along
_NOISE_SEED = 0  # of the frames on which flicker is measured


def learning_rate(step: int, run: TrainConfig) -> float:
    """Tell the learning rate of a step as a share of its peak: a linear warm-up, then a cosine to 1 %."""
    if step < run.warm_up:
        return (step + 1) / run.warm_up
    progress = (step - run.warm_up) / max(1, run.steps - run.warm_up)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def _batches(sampler: Sampler, count: int, device: str) -> Iterator[Batch]:
    """Prepare the next batch while the current one is trained on (OpenCV, numpy and torch release the GIL)."""

    def prepare() -> Batch:
        return _prepared(sampler.batch(count), device)

    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(prepare)
        while True:
            ready = coming.result()
            coming = pool.submit(prepare)
            yield ready


def _prepared(samples: list[Sample], device: str) -> Batch:
    def stack(arrays: list[Any]) -> Tensor | None:
        if any(a is None for a in arrays):
            return None
        return torch.from_numpy(np.ascontiguousarray(np.stack(arrays))).to(device)

    noisy, clean = stack([s.noisy for s in samples]), stack([s.clean for s in samples])
    assert noisy is not None and clean is not None
    label, again = stack([s.label for s in samples]), stack([s.again for s in samples])
    return Batch(
        noisy=Pyramid.padded(noisy),
        clean=clean,
        target=MefSsim(clean),
        label=None if label is None else label.unsqueeze(1),
        again=None if again is None else Pyramid.padded(again),
        motion=stack([s.motion for s in samples]),
    )


def _fit(picture: np.ndarray, long_side: int) -> Tensor:
    scale = min(1.0, long_side / max(picture.shape))
    size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
    resized = cv2.resize(picture, size, interpolation=cv2.INTER_AREA) if scale < 1 else picture
    return torch.from_numpy(resized.astype(np.float32) / 255)


@torch.no_grad()
def validate(network: Lcndr, stacks: list[Stack], device: str, long_side: int = 620) -> dict[str, float]:
    """MEF-SSIM (mean, worst) on the extreme pair of held-back stacks, PSNR on those with a label, and flicker.

    Flicker is the mean difference between two fused frames of the same still scene, in 8-bit code values.
    """
    scores, psnrs, flicker = [], [], []
    for stack in stacks:
        pair = torch.stack([_fit(e, long_side) for e in (stack.exposures[0], stack.exposures[-1])])[None].to(
            device
        )
        fused = network(pair).clamp(0, 1)
        frames = [
            torch.from_numpy(f)[None].to(device) for f in two_frames(pair[0].cpu().numpy(), _NOISE_SEED)
        ]
        flicker.append(255 * float(temporal_loss(*(network(frame) for frame in frames))))
        scores.append(float(MefSsim(pair.double())(fused.double())[0]))
        if stack.label is not None:
            error = (fused[0, 0] - _fit(stack.label, long_side).to(device)).square().mean()
            psnrs.append(float(-10 * torch.log10(error)))
    return {
        "mef_ssim": float(np.mean(scores)),
        "mef_ssim_worst": float(np.min(scores)),
        "label_psnr": float(np.mean(psnrs)) if psnrs else float("nan"),
        "flicker": float(np.mean(flicker)),
    }


def train(run: TrainConfig, report: Report = print) -> dict[str, Path]:
    """Train every network of `run`; resumes from `out/checkpoint.pt` where there is one.

    Ctrl-C and SIGTERM end it after the step, with a checkpoint, by a KeyboardInterrupt.

    Returns:
        name -> the weights file that was written (`Learner.result`, in the package's format).

    Raises:
        InputNotFoundError: data that is not there or cannot be read.
        InputError: pictures that are damaged, or do not fit each other.
        ConfigError: `held_back` names stacks that are not there, none, or all; or the training diverges.
        DeviceError: no such device.
        OutputError: the output folder cannot be made, or a file in it not be written.
        WeightsError: a checkpoint that is damaged or of other networks.
    """
    run = run.model_copy(update={"device": str(resolve_device(run.device))})
    torch.set_num_threads(min(run.threads, os.cpu_count() or 1))
    cv2.setNumThreads(1)
    balance = WhiteBalance(run.white_balance, run.white_balance_difference)
    kept, held = _stacks(run, balance.needs_colour)
    _make_folder(run.out)
    learners = {name: Learner(n, run) for name, n in run.networks.items()}
    if run.start_from is not None:
        for name, learner in learners.items():
            learner.start_from(run.start_from / f"{name}.safetensors")
    start = restore(run.out / "checkpoint.pt", learners)
    sampler = Sampler(
        kept, load_panoramas(run.data / "stills/hdr", balance.needs_colour), run.crop, run.seed + start,
        run.labelled_share, run.synthetic_share, run.sequence_share, balance, run.camera_motion,
    )  # fmt: skip
    log = Log(run.out / "log.csv", start)
    report(f"training {', '.join(learners)} on {len(kept)} stacks, {len(held)} held back, from step {start}")
    if start < run.steps:
        _go_on(run, learners, _batches(sampler, run.batch, run.device), held, start, log, report)
    else:  # ended before, maybe in the middle of writing, or with another share
        _write_weights(run, _validated(run, _stale(run, learners, start), held, start), start, 0, report)
    return {name: run.out / f"{name}.safetensors" for name in learners}


def _go_on(
    run: TrainConfig,
    learners: dict[str, Learner],
    batches: Iterator[Batch],
    held: list[Stack],
    start: int,
    log: Log,
    report: Report,
) -> None:
    """The steps that are left; validates, and stores everything, every so often and at the end."""
    began = time.monotonic()
    with Interrupt() as interrupt:
        for step, batch in zip(range(start, run.steps), batches, strict=False):
            for name, learner in learners.items():
                with _autocast(run.device):
                    terms = learner.step(batch, learning_rate(step, run))
                log.write(step, name, terms)
            if (step + 1) % run.validate_every == 0 or step + 1 == run.steps:
                _refuse_divergence(run, learners, step + 1)
                results = _validated(run, learners, held, step + 1)
                store(run.out / "checkpoint.pt", learners, step + 1)
                _write_weights(run, results, step + 1, time.monotonic() - began, report)
                write_curves(run.out / "log.csv", run.out / "curves.html")
            elif interrupt.asked or (step + 1) % _STORE_EVERY == 0:
                _refuse_divergence(run, learners, step + 1)
                store(run.out / "checkpoint.pt", learners, step + 1)
            if interrupt.asked:
                report(f"interrupted; step {step + 1} is kept in {run.out}, and the next run goes on there")
                raise KeyboardInterrupt


def _stacks(run: TrainConfig, colour: bool) -> tuple[list[Stack], list[Stack]]:
    """Give the stacks to train on, in colour or not, and those that are held back for validation, in luma."""
    folders = (run.data / "stills/train", run.data / "stills/reference")
    everything = [stack for folder in folders for stack in load_stacks(folder, colour)]
    if missing := set(run.held_back) - {s.name for s in everything}:
        raise ConfigError(f"held_back names {', '.join(sorted(missing))}, and {run.data} has no such stack.")
    held = [s.luma() for s in everything if s.name in run.held_back]
    kept = [s for s in everything if s.name not in run.held_back]
    if not held or all(s.label is not None for s in kept):
        raise ConfigError(
            "held_back has to name a stack for validation and leave one without a label to train on."
        )
    return kept, held


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"The folder {folder} cannot be made: {error.strerror}.") from error


def _autocast(device: str) -> AbstractContextManager[Any]:
    return torch.autocast("cuda", torch.bfloat16) if device.startswith("cuda") else nullcontext()


def _diverged(run: TrainConfig, name: str, step: int, what: str) -> ConfigError:
    return ConfigError(
        f"The training of {name} in {run.out} has diverged by step {step}, its {what} are not finite, and nothing of "
        "that was written: lower learning_rate and run it again."
    )


def _refuse_divergence(run: TrainConfig, learners: dict[str, Learner], step: int) -> None:
    for name, learner in learners.items():
        if not learner.is_finite():
            raise _diverged(run, name, step, "weights")


def _stale(run: TrainConfig, learners: dict[str, Learner], step: int) -> dict[str, Learner]:
    """Those whose weights file is not that of `step`."""
    return {
        name: learner
        for name, learner in learners.items()
        if not is_current(run.out / f"{name}.safetensors", step, run.trained_share)
    }


def _validated(
    run: TrainConfig, learners: dict[str, Learner], held: list[Stack], step: int
) -> dict[str, tuple[Lcndr, dict[str, float]]]:
    """name -> the network to write, and its scores as `validate` gives them."""
    results = {}
    for name, learner in learners.items():
        network = learner.result()
        scores = validate(network, held, run.device)
        # label_psnr is nan where no stack has a label.
        if not all(math.isfinite(value) for key, value in scores.items() if key != "label_psnr"):
            raise _diverged(run, name, step, "scores")
        results[name] = (network, scores)
    return results


def _write_weights(
    run: TrainConfig,
    results: dict[str, tuple[Lcndr, dict[str, float]]],
    step: int,
    seconds: float,
    report: Report,
) -> None:
    for name, (network, scores) in results.items():
        card = {
            **run.card,
            "name": name,
            "steps": str(step),
            "seed": str(run.seed),
            "batch": str(run.batch),
            "trained_share": f"{run.trained_share:g}",
            "validation": " ".join(f"{key}={value:.4f}" for key, value in scores.items()),
        }
        save_weights(network, run.out / f"{name}.safetensors", card)
        report(f"{step:6d} {seconds:7.0f} s  {name:10s} " + card["validation"])
