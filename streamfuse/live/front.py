"""The fast part of a live run, in the camera's own thread: stamp, label and pair every frame."""

from __future__ import annotations

from collections.abc import Sequence

from streamfuse.align.label import Labeller, LabelReport
from streamfuse.align.pair import Pairer
from streamfuse.config import InputConfig
from streamfuse.errors import ExposureError
from streamfuse.frame import Bracket, Frame, LabelledFrame
from streamfuse.live.figures import RateMeter
from streamfuse.live.timeline import Timeline
from streamfuse.stage import SourceInfo

_Format = tuple[int, int, int, tuple[int, int], int]


class Front:
    """Frame -> brackets, every frame of the camera: cheap enough to keep up, so that labels never miss one.

    Labels, pairs and what they have learnt are forgotten where the source was opened again or changed its format.
    Where only time was lost, labels go on and nothing is paired across.

    Args:
        info: of the source.
        settings: cycle, order and rate, where they are given.
    """

    def __init__(self, info: SourceInfo, settings: InputConfig) -> None:
        self.frames_in = RateMeter()
        self.brackets = RateMeter()
        self.discarded = 0
        """Frames that were never used: of an unknown exposure, or waiting for a partner when the camera was lost."""
        self.error: str | None = None
        """Why no brackets come, in one sentence."""
        self._info = info
        self._settings = settings
        self._period = float(1 / info.rate) if info.rate > 0 else 1 / 30
        self._timeline = Timeline(self._period, info.simultaneous)
        self._format: _Format | None = None
        self._repaired = 0
        self._seen: set[int] = set()
        self._cut = False
        self._held = 0  # frames that went in and have not come out
        self._forget()

    @property
    def report(self) -> LabelReport | None:
        """What is known of the exposures."""
        return self._labeller.report

    @property
    def repaired(self) -> int:
        """Brackets that were paired around a lost or doubled frame."""
        return self._repaired + self._pairer.repaired_pairs

    @property
    def unit(self) -> int | None:
        """Brackets in a cycle, where that is not the number of exposures."""
        return 1 if self._settings.rate == "half" or self._info.simultaneous > 1 else None

    def reset(self) -> None:
        """The source was opened again: begin afresh."""
        self.discarded += self._held
        self._held = 0
        self._repaired += self._pairer.repaired_pairs
        self._seen.clear()
        self._forget()

    def push(self, frame: Frame) -> Sequence[Bracket]:
        """Take the next frame; give the brackets that are complete now."""
        form = (frame.width, frame.height, frame.bits, frame.subsampling, len(frame.planes))
        if self._format not in (None, form):
            self.reset()
        self._format = form
        self.frames_in.tick()
        self._held += 1
        placed = self._timeline.place(frame)
        self._cut |= self._timeline.broken
        brackets: list[Bracket] = []
        for labelled in self._fresh(self._labelled(placed)):
            brackets += self._paired(labelled)
        self._held = max(0, self._held - len(brackets) * self._frames_per_bracket)
        return brackets

    @property
    def _frames_per_bracket(self) -> int:
        found = self.report
        return found.cycle if self.unit == 1 and found else 1

    def _forget(self) -> None:
        settings, simultaneous = self._settings, self._info.simultaneous
        self._labeller = Labeller(settings.cycle, settings.first, simultaneous)
        self._pairer = Pairer(settings.rate, simultaneous)

    def _labelled(self, frame: Frame) -> list[LabelledFrame]:
        try:
            labelled = list(self._labeller.push(frame))
        except ExposureError as error:
            # A lens cap, a night without light: nothing that should end a run of weeks.
            self.error = str(error)
            self.reset()
            return []
        if labelled:
            self.error = None
        return labelled

    def _fresh(self, labelled: list[LabelledFrame]) -> list[LabelledFrame]:
        """Without those that waited so long for the first labels that nobody wants them any more."""
        if not labelled:
            return []
        stale = max(0, len(labelled) - 2 * labelled[0].cycle)
        self.discarded += stale
        self._held = max(0, self._held - stale)
        return labelled[stale:]

    def _paired(self, labelled: LabelledFrame) -> list[Bracket]:
        self._seen.add(labelled.rank)
        if len(self._seen) == labelled.cycle:
            self.brackets.tick()
            self._seen.clear()
        if not self._cut:
            return list(self._pairer.push(labelled))
        # What waits in the pairer is as old as the break is long: it is not shown any more.
        self._cut = False
        self._repaired += self._pairer.repaired_pairs
        self.discarded += self._held - 1
        self._held = 1
        self._pairer = Pairer(self._settings.rate, self._info.simultaneous)
        return list(self._pairer.push(labelled))
