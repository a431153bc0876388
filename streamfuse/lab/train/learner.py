"""One network in training: it, its running average, and its optimiser."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from streamfuse.errors import ConfigError
from streamfuse.fusion.lcndr import Lcndr, Pyramid
from streamfuse.fusion.lcndr_config import LcndrConfig
from streamfuse.fusion.models import load_weights
from streamfuse.lab.evaluate.mef_ssim import MefSsim
from streamfuse.lab.train.losses import total_loss
from streamfuse.lab.train.train_config import NetworkConfig, TrainConfig


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Samples as tensors, and what of the work on them is the same for all networks.

    Args:
        noisy, again: what the networks see, of the first frame and of the second.
        clean: (B, N, H, W).
        target: MEF-SSIM against `clean`.
        label: (B, 1, H, W).
        motion: (B, 3, 3).
    """

    noisy: Pyramid
    clean: Tensor
    target: MefSsim
    label: Tensor | None
    again: Pyramid | None
    motion: Tensor | None


class Learner:
    """A network, its running average, and its optimiser."""

    def __init__(self, config: NetworkConfig, run: TrainConfig) -> None:
        torch.manual_seed(run.seed)
        self.config = LcndrConfig(**config.model_dump(exclude={"without", "learning_rate"}))
        self._without, self._gradient, self._extremes = config.without, run.gradient, run.extremes
        self._peak = config.learning_rate or run.learning_rate
        # Channels last halves the time of the convolutions on a CPU.
        self.network = Lcndr(self.config).to(run.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = deepcopy(self.network).eval().requires_grad_(False)
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=self._peak, weight_decay=run.weight_decay
        )
        self._decay, self._clip, self._share = run.ema, run.clip, run.trained_share
        self._begun: dict[str, Tensor] | None = None

    def step(self, batch: Batch, rate: float) -> dict[str, float]:
        """Change the weights by one batch, at `rate` of the peak (0..1); returns the terms of the loss."""
        for group in self.optimiser.param_groups:
            group["lr"] = self._peak * rate
        fused = self.network(batch.noisy).float()
        again = self.network(batch.again).float() if batch.again is not None else None
        loss, terms = total_loss(
            fused, batch.clean, batch.target, batch.label, again, self._without, self._gradient, batch.motion,
            self._extremes,
        )  # fmt: skip
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
        """Everything that training needs to go on, for `load`; nothing of it is blended with `start_from`."""
        return {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from `state`.

        Raises:
            LookupError, TypeError, ValueError, RuntimeError, AttributeError: it is of another network, or no state.
        """
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])

    def start_from(self, path: Path) -> None:
        """Begin from stored weights instead of random ones.

        Raises:
            WeightsError: there are none, or they cannot be used.
            ConfigError: they are of another network.
        """
        stored = load_weights(path)
        if stored.config != self.config:
            raise ConfigError(f"{path} holds a network of another size than the configuration's {path.stem}.")
        self.network.load_state_dict(stored.state_dict())
        self.average.load_state_dict(stored.state_dict())
        self._begun = {name: value.clone() for name, value in self.average.state_dict().items()}

    def is_finite(self) -> bool:
        """Tell whether every weight, and every mean of one, is a number."""
        tensors = (*self.network.state_dict().values(), *self.average.state_dict().values())
        return all(bool(tensor.isfinite().all()) for tensor in tensors)

    def result(self) -> Lcndr:
        """Give what is validated and written: the running average, blended with what it began from."""
        if self._begun is None or self._share == 1:
            return self.average
        blended = deepcopy(self.average)
        with torch.no_grad():
            for name, value in blended.state_dict().items():
                value.copy_(torch.lerp(self._begun[name], value, self._share))
        return blended
