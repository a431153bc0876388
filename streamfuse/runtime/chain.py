"""The chain of stages that turns frames into fused frames, built from the settings."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from streamfuse.align.aligner import Aligner
from streamfuse.align.policy import AlignSettings
from streamfuse.config import Config
from streamfuse.core.frame import Bracket, ClassifiedFrame, Frame, FusedFrame, WeighedBracket
from streamfuse.core.memory_limit import brackets_at_once, check_memory_limit
from streamfuse.core.protocols import SourceInfo, Stage
from streamfuse.core.values import TONE_MAPS
from streamfuse.exposure.classifier import ExposureClassifier
from streamfuse.exposure.doubled import AgainStage, Doubles, OnceStage
from streamfuse.exposure.fade import DimStage, Fades, LiftStage
from streamfuse.exposure.pair import Pairer
from streamfuse.exposure.rolling_bands import BandsStage
from streamfuse.fusion.device import is_cpu, resolve_device
from streamfuse.fusion.fuser import FusionMethod, LcndrFuser, create_fuser
from streamfuse.fusion.radiance import HdrTarget, RadianceStage
from streamfuse.fusion.stage import BlendStage, WeighStage
from streamfuse.fusion.threads import cpus, limit_threads
from streamfuse.fusion.tone_map import ToneMapStage
from streamfuse.look.stage import LookStage
from streamfuse.runtime import hdr_output
from streamfuse.runtime.line import Line
from streamfuse.temporal.flicker import Deflicker
from streamfuse.temporal.level import Leveller
from streamfuse.temporal.smooth import Smoother

if TYPE_CHECKING:
    from streamfuse.backends.cuda.radiance import DeviceRadiance
    from streamfuse.backends.cuda.stage import DeviceFusion

_LONGEST_OPENING = 1500  # frames before exposures alternate: a minute of titles

Finish = Callable[[WeighedBracket, FusedFrame], FusedFrame]


@dataclass(frozen=True, slots=True, eq=False)
class Front:
    """From frames to brackets, and what is known of them on the way."""

    line: Line[Frame, Bracket]
    classifier: ExposureClassifier
    pairer: Pairer
    doubles: Doubles
    fades: Fades
    bands: BandsStage


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """From frames to fused frames, and the parts that know something worth reporting."""

    front: Front
    fusion: Line[Bracket, FusedFrame]
    fuser: FusionMethod | RadianceStage | DeviceRadiance
    smooth: bool
    deflicker: bool = False
    threads: int | None = None
    """For `Pipeline`."""

    @property
    def line(self) -> Line[Frame, FusedFrame]:
        """Give all stages, from the frame that comes in to the fused one."""
        return self.front.line.followed_by(self.fusion)

    @property
    def delay_frames(self) -> int:
        """Input frames that come after an instant before its fused frame is complete (not counting queues)."""
        found = self.front.classifier.report
        smoothing = Smoother.delay * self.smooth + Deflicker.delay * self.deflicker
        return (found.cycle if found else 0) + smoothing


def build_front(config: Config, simultaneous: int = 1) -> Front:
    """label -> pair.

    Args:
        config: the settings.
        simultaneous: as in `SourceInfo`.
    """
    classifier = ExposureClassifier(
        config.input.cycle, config.input.first, simultaneous, longest_opening=_LONGEST_OPENING
    )
    pairer, fades, doubles, bands = Pairer(config.input.rate, simultaneous), Fades(), Doubles(), BandsStage()
    label: Line[Frame, ClassifiedFrame] = Line("label", classifier)
    if simultaneous == 1:
        label = Line("label", OnceStage(doubles)).ending_in(classifier)
        label = label.ending_in(bands) if config.align.bands else label
    line = label.then("pair", pairer).ending_in(LiftStage(fades))
    return Front(line, classifier, pairer, doubles, fades, bands)


def chain_of_run(config: Config, info: SourceInfo, finish: Sequence[Finish] = ()) -> Chain:
    """Build the chain for a run over a source, with as many threads as the settings or else the machine have for it.

    Of a live source brackets are worked on one by one: more of them on their way would only be older.

    Raises:
        UsageError, WeightsError, DeviceError: as `build_chain`; `DeviceError`, too, where memory does not do.
    """
    check_memory_limit(info.width, info.height)
    most = config.fuse.threads or min(cpus(), brackets_at_once(info.width, info.height))
    threads = None if info.live else most
    return build_chain(config, info.simultaneous, finish, on_device=True, threads=threads)


def build_chain(
    config: Config,
    simultaneous: int = 1,
    finish: Sequence[Finish] = (),
    on_device: bool = False,
    threads: int | None = None,
) -> Chain:
    """label -> pair -> align -> weigh -> smooth -> blend -> deflicker -> look.

    Args:
        config: the settings.
        simultaneous: as in `SourceInfo`.
        finish: called in order with each weighed bracket and its fused frame; what they return goes on.
        on_device: on a GPU one stage "fuse" stands for all from align to blend.
        threads: brackets that a `Pipeline` may work on at once, each in one thread; None: one by one, in several.

    In high dynamic range: label -> pair -> align -> merge. There is no network and nothing to smooth: the merge sees to
    it that nothing breathes. The fusers `TONE_MAPS` do the same for ordinary screens.

    Raises:
        UsageError, WeightsError, DeviceError, InputNotFoundError: as the parts.
    """
    target = hdr_output.target(config)
    if target is not None or config.fuse.fuser in TONE_MAPS:
        return _build_radiance(config, simultaneous, target, threads, on_device)
    fuser = create_fuser(
        config.fuser_name,
        preset=config.fuse.preset,
        device=config.fuse.device,
        threads=config.fuse.threads if threads is None else 1,
        one_thread=True,
    )
    front, keep = build_front(config, simultaneous), bool(finish)
    fuse = fusion_on_device(config, fuser, keep=keep) if on_device else None
    if fuse is not None:
        fusion = Line("fuse", fuse).ending_in(DimStage(front.fades))
    else:
        weighed = Line("align", _aligner(config)).then("weigh", WeighStage(fuser))
        if config.smooth.enabled:
            weighed = weighed.then("smooth", Smoother())
        blend = BlendStage(fuser, Leveller() if config.smooth.enabled else None, keep=keep)
        fusion = weighed.then("blend", blend).ending_in(DimStage(front.fades))
    if config.smooth.deflicker:
        fusion = fusion.then("deflicker", Deflicker())
    if (look := config.look.look).active:
        fusion = fusion.then("look", LookStage(look))
    if finish:
        fusion = fusion.ending_in(FinishStage(finish))
    fusion = fusion.ending_in(AgainStage(front.doubles))
    return Chain(front, fusion, fuser, config.smooth.enabled, config.smooth.deflicker, threads)


def _build_radiance(
    config: Config, simultaneous: int, target: HdrTarget | None, threads: int | None, on_device: bool
) -> Chain:
    """label -> pair -> align -> merge; without a target tone-mapped for ordinary screens, and graded."""
    limit_threads(config.fuse.threads if threads is None else 1)
    front = build_front(config, simultaneous)
    merge: RadianceStage | DeviceRadiance
    if target is None:
        merge = ToneMapStage(config.fuse.fuser == "radiance-local", config.output.white, front.fades.taken)
    else:
        there = _radiance_on_device(config, target, front) if on_device else None
        merge = there or RadianceStage(target, front.fades.taken)
    if isinstance(merge, RadianceStage):
        fusion = Line("align", _aligner(config, careful=True)).then("merge", merge)
    else:
        fusion = Line("fuse", merge)
    if (look := config.look.look).active:
        fusion = fusion.then("look", LookStage(look))
    fusion = fusion.ending_in(AgainStage(front.doubles))
    return Chain(front, fusion, merge, smooth=False, threads=threads)


def _radiance_on_device(config: Config, target: HdrTarget, front: Front) -> DeviceRadiance | None:
    """Build what is from align to merge on the GPU; None where there is none, or none of such settings."""
    align = config.align
    if is_cpu(config.fuse.device) or align.mode == "global" or os.environ.get("STREAMFUSE_RESIDENT") == "0":
        return None
    device = resolve_device(config.fuse.device)
    if device.type == "cpu":
        return None
    from streamfuse.backends.cuda.radiance import DeviceRadiance

    return DeviceRadiance(device, _settings(config, careful=True), target, front.fades.taken)


def _aligner(config: Config, careful: bool = False) -> Aligner:
    return Aligner(**asdict(_settings(config, careful)))


def _settings(config: Config, careful: bool) -> AlignSettings:
    align = config.align
    denoise = align.denoise is not False if careful else config.denoise
    how = config.align_preset, align.mode, align.ghost, config.input.rate
    return AlignSettings(*how, denoise=denoise, careful=careful)


def fusion_on_device(
    config: Config,
    fuser: FusionMethod | RadianceStage,
    *,
    keep: bool = False,
    live: bool = False,
    coarse: bool = False,
) -> DeviceFusion | None:
    """Build what is from align to blend on the GPU; None where there is none, or none of such a fuser or settings.

    Args:
        config: the settings.
        fuser: the network, and where it runs.
        keep: let each frame carry what it was made of.
        live: no frame waits for the one after it.
        coarse: find motion and weights at a coarser scale.
    """
    mode = config.align.mode
    if not isinstance(fuser, LcndrFuser) or not fuser.device.startswith("cuda") or mode == "global":
        return None
    if os.environ.get("STREAMFUSE_RESIDENT") == "0":
        return None
    from streamfuse.backends.cuda.stage import DeviceFusion, DeviceFusionSettings

    settings = DeviceFusionSettings(
        config.align_preset,
        mode,
        config.align.ghost,
        config.input.rate,
        config.smooth.enabled,
        denoise=config.denoise,
        coarse=coarse,
        ahead=not live,
    )
    return DeviceFusion(fuser, settings, keep=keep)


class FinishStage(Stage[FusedFrame, FusedFrame]):
    """Shows each fused frame to the `finish` functions, beside what it was made of, which it carries no further.

    Args:
        finish: as `build_chain` takes them.
    """

    def __init__(self, finish: Sequence[Finish]) -> None:
        self._finish = finish

    def push(self, item: FusedFrame) -> Iterator[FusedFrame]:
        """Take a frame that carries what it was made of, give one."""
        assert item.made_of is not None, "The stage that blends has to keep what the frames are made of."
        finished = item
        for finish in self._finish:
            finished = finish(item.made_of, finished)
        yield replace(finished, made_of=None)
