"""The training loop: one process, any device, resumable; several networks at once on the same batches."""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from streamfuse.errors import ConfigError, OutputError, WeightsError
from streamfuse.evaluate.mef_ssim import MefSsim
from streamfuse.fusion.device import resolve_device
from streamfuse.fusion.lcndr import Lcndr, LcndrConfig
from streamfuse.train.camera import two_frames
from streamfuse.train.config import NetworkConfig, TrainConfig
from streamfuse.train.curves import write_curves
from streamfuse.train.data import Sample, Sampler, Stack, load_panoramas, load_stacks
from streamfuse.train.losses import temporal_loss, total_loss
from streamfuse.train.white_balance import WhiteBalance

Report = Callable[[str], None]
_NOISE_SEED = 0  # of the frames on which flicker is measured


class _Learner:
    """A network, its running average, and its optimiser."""

    def __init__(self, config: NetworkConfig, run: TrainConfig) -> None:
        torch.manual_seed(run.seed)
        self.config = LcndrConfig(**config.model_dump(exclude={"without"}))
        self._without, self._gradient = config.without, run.gradient
        self.network = Lcndr(self.config).to(run.device)
        self.average = deepcopy(self.network).eval().requires_grad_(False)
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=run.learning_rate, weight_decay=run.weight_decay
        )
        self._decay, self._clip = run.ema, run.clip

    def step(self, batch: _Batch, target: MefSsim, rate: float) -> dict[str, float]:
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        fused = self.network(batch.noisy).float()
        again = self.network(batch.again).float() if batch.again is not None else None
        loss, terms = total_loss(
            fused, batch.clean, target, batch.label, again, self._without, self._gradient, batch.motion
        )
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), self._clip)
        if torch.isfinite(norm):  # one bad batch must not end a night's run
            self.optimiser.step()
        with torch.no_grad():
            for mean, value in zip(self.average.parameters(), self.network.parameters(), strict=True):
                mean.lerp_(value, 1 - self._decay)
        return terms

    def state(self) -> dict[str, Any]:
        return {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }

    def load(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])

    def start_from(self, path: Path) -> None:
        """Begin from stored weights instead of random ones."""
        from streamfuse.fusion.models import load_weights

        stored = load_weights(path)
        if stored.config != self.config:
            raise ConfigError(f"{path} holds a network of another size than the configuration's {path.stem}.")
        self.network.load_state_dict(stored.state_dict())
        self.average.load_state_dict(stored.state_dict())


def learning_rate(step: int, run: TrainConfig) -> float:
    """Linear warm-up, then a cosine to 1 % of the peak."""
    if step < run.warm_up:
        return run.learning_rate * (step + 1) / run.warm_up
    progress = (step - run.warm_up) / max(1, run.steps - run.warm_up)
    return run.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress))))


def _batches(sampler: Sampler, count: int) -> Iterator[list[Sample]]:
    """Prepare the next batch while the current one is trained on (OpenCV and numpy release the GIL)."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(sampler.batch, count)
        while True:
            ready = coming.result()
            coming = pool.submit(sampler.batch, count)
            yield ready


@dataclass(frozen=True, slots=True)
class _Batch:
    """Samples as tensors: (B, N, H, W), the label (B, 1, H, W), motion (B, 3, 3)."""

    noisy: Tensor
    clean: Tensor
    label: Tensor | None
    again: Tensor | None
    motion: Tensor | None


def _to_tensors(samples: list[Sample], device: str) -> _Batch:
    def stack(arrays: list[Any]) -> Tensor | None:
        if any(a is None for a in arrays):
            return None
        return torch.from_numpy(np.ascontiguousarray(np.stack(arrays))).to(device)

    noisy, clean = stack([s.noisy for s in samples]), stack([s.clean for s in samples])
    assert noisy is not None and clean is not None
    label = stack([s.label for s in samples])
    again, motion = stack([s.again for s in samples]), stack([s.motion for s in samples])
    return _Batch(noisy, clean, None if label is None else label.unsqueeze(1), again, motion)


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

    Returns:
        name -> the weights file that was written (the running average, in the package's format).

    Raises:
        InputNotFoundError: data that is not there or cannot be read.
        ConfigError: `held_back` names stacks that are not there, none, or all.
        DeviceError: no such device.
        OutputError: the output folder cannot be made.
        WeightsError: a checkpoint that is damaged or of other networks.
    """
    run = run.model_copy(update={"device": str(resolve_device(run.device))})
    torch.set_num_threads(run.threads)
    cv2.setNumThreads(1)
    balance = WhiteBalance(run.white_balance, run.white_balance_difference)
    kept, held = _stacks(run, balance.needs_colour)
    _make_folder(run.out)
    learners = {name: _Learner(n, run) for name, n in run.networks.items()}
    if run.start_from is not None:
        for name, learner in learners.items():
            learner.start_from(run.start_from / f"{name}.safetensors")
    start = _resume(run.out / "checkpoint.pt", learners)
    sampler = Sampler(
        kept, load_panoramas(run.data / "stills/hdr", balance.needs_colour), run.crop, run.seed + start,
        run.labelled_share, run.synthetic_share, run.sequence_share, balance, run.camera_motion,
    )  # fmt: skip
    report(f"training {', '.join(learners)} on {len(kept)} stacks, {len(held)} held back, from step {start}")
    log = _Log(run.out / "log.csv")
    began = time.monotonic()
    for step, samples in zip(range(start, run.steps), _batches(sampler, run.batch), strict=False):
        batch = _to_tensors(samples, run.device)
        target = MefSsim(batch.clean)
        for name, learner in learners.items():
            with _autocast(run.device):
                terms = learner.step(batch, target, learning_rate(step, run))
            log.write(step, name, terms)
        if (step + 1) % run.validate_every == 0 or step + 1 == run.steps:
            _checkpoint(run, learners, held, step + 1, time.monotonic() - began, report)
    return {name: run.out / f"{name}.safetensors" for name in learners}


def _stacks(run: TrainConfig, colour: bool) -> tuple[list[Stack], list[Stack]]:
    """The stacks to train on, in colour or not, and those that are held back for validation, in luma."""
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


def _resume(path: Path, learners: dict[str, _Learner]) -> int:
    if not path.is_file():
        return 0
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        for name, learner in learners.items():
            learner.load(state["learners"][name])
        return int(state["step"])
    except (OSError, EOFError, LookupError, ValueError, RuntimeError, UnpicklingError) as error:
        raise WeightsError(
            f"{path} is damaged or holds other networks; move it away to start from the beginning."
        ) from error


def _checkpoint(
    run: TrainConfig,
    learners: dict[str, _Learner],
    held: list[Stack],
    step: int,
    seconds: float,
    report: Report,
) -> None:
    from streamfuse.fusion.models import save_weights

    state = {"step": step, "learners": {name: learner.state() for name, learner in learners.items()}}
    partial = run.out / "checkpoint.tmp"
    torch.save(state, partial)
    partial.replace(run.out / "checkpoint.pt")
    for name, learner in learners.items():
        scores = validate(learner.average, held, run.device)
        card = {
            "steps": str(step),
            "seed": str(run.seed),
            "batch": str(run.batch),
            "validation": " ".join(f"{key}={value:.4f}" for key, value in scores.items()),
        }
        save_weights(learner.average, run.out / f"{name}.safetensors", card)
        report(f"{step:6d} {seconds:7.0f} s  {name:10s} " + card["validation"])
    write_curves(run.out / "log.csv", run.out / "curves.html")


class _Log:
    """step, network and every loss term, one line each; a log that is continued keeps its columns."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, step: int, name: str, terms: dict[str, float]) -> None:
        with self._path.open("a+", newline="", encoding="utf-8") as file:
            file.seek(0)
            columns = next(csv.reader(file), None)
            writer = csv.DictWriter(file, columns or ["step", "network", *terms], extrasaction="ignore")
            if columns is None:
                writer.writeheader()
            writer.writerow({"step": step, "network": name} | {k: f"{v:.5f}" for k, v in terms.items()})
