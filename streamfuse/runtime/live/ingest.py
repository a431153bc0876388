"""The fast part of a live run, in the camera's own thread: label and pair every frame."""

from __future__ import annotations

from collections.abc import Sequence

from streamfuse.config import InputConfig
from streamfuse.core.frame import Bracket, ClassifiedFrame, Frame
from streamfuse.core.protocols import SourceInfo
from streamfuse.errors import ExposureError
from streamfuse.exposure.classifier import ClassificationReport, ExposureClassifier
from streamfuse.exposure.pair import Pairer
from streamfuse.runtime.live.figures import RateMeter

_Format = tuple[int, int, int, tuple[int, int], int]
_BREAK_SECONDS = 1.0


class Ingest:
    """Frame -> brackets, every frame of the camera: cheap enough to keep up, so that labels never miss one.

    Labels, pairs and what they have learnt are forgotten where the source was opened again or changed its format.
    Where only time was lost, labels go on and nothing is paired across.

    Args:
        info: of the source.
        settings: cycle, order and rate, where they are given.
        lookahead: frames after an instant that its bracket waits for; None: a whole cycle.
    """

    def __init__(self, info: SourceInfo, settings: InputConfig, lookahead: int = 1) -> None:
        self.frames_in = RateMeter()
        self.brackets = RateMeter()
        self.discarded = 0
        """Frames that were never used: of an unknown exposure, or waiting for a partner when the camera was lost."""
        self.error: str | None = None
        """Why no brackets come, in one sentence."""
        self._info = info
        self._settings = settings
        self._lookahead = lookahead
        self._patience = max(_BREAK_SECONDS, 5 / float(info.rate)) if info.rate > 0 else _BREAK_SECONDS
        self._captured: float | None = None
        self._format: _Format | None = None
        self._repaired = 0
        self._last_report: ClassificationReport | None = None  # of a classifier that was put away
        self._seen: set[int] = set()
        self._breaks: set[int] = set()  # numbers of the frames that come after a silence
        self._unlabelled = 0  # frames that the classifier holds
        self._unpaired = 0  # frames that the pairer holds and that were no reference yet
        self._classifier = self._new_classifier()
        self._pairer = self._new_pairer()

    @property
    def report(self) -> ClassificationReport | None:
        """Give what is known of the exposures, or was when the source was last there."""
        return self._classifier.report or self._last_report

    @property
    def repaired(self) -> int:
        """Brackets that were paired around a lost or doubled frame."""
        return self._repaired + self._pairer.repaired_pairs

    @property
    def unit(self) -> int | None:
        """Brackets in a cycle, where that is not the number of exposures."""
        return 1 if self._settings.rate == "half" or self._info.simultaneous > 1 else None

    @property
    def delay_frames(self) -> int:
        """Frames that come after an instant before its bracket is complete."""
        if self._info.simultaneous > 1:
            return 0
        cycle = self.report.cycle if self.report else 2
        return cycle - 1 if self._settings.rate == "half" else min(self._lookahead, cycle)

    def reset(self) -> None:
        """The source was opened again: begin afresh."""
        self.discarded += self._unlabelled
        self._unlabelled = 0
        self._breaks.clear()
        self._seen.clear()
        self._last_report = self.report
        self._classifier = self._new_classifier()
        self._break_pairing()

    def push(self, frame: Frame) -> Sequence[Bracket]:
        """Take the next frame; give the brackets that are complete now."""
        form = (frame.width, frame.height, frame.bits, frame.subsampling, len(frame.planes))
        if self._format not in (None, form):
            self.reset()
        self._format = form
        self.frames_in.tick()
        self._note_time(frame)
        self._unlabelled += 1
        return self._paired(self._labelled(frame))

    def flush(self) -> Sequence[Bracket]:
        """The camera has ended: give what is still held."""
        labelled: list[ClassifiedFrame] = []
        try:
            labelled = list(self._classifier.flush())
        except ExposureError as error:
            self.error = str(error)
        return [*self._paired(labelled), *self._pairer.flush()]

    def _new_classifier(self) -> ExposureClassifier:
        return ExposureClassifier(self._settings.cycle, self._settings.first, self._info.simultaneous)

    def _new_pairer(self) -> Pairer:
        return Pairer(self._settings.rate, self._info.simultaneous, self._lookahead)

    def _note_time(self, frame: Frame) -> None:
        """Nothing is paired across a silence of the camera."""
        captured = frame.captured_at
        if captured is not None:
            if self._captured is not None and captured - self._captured > self._patience:
                self._breaks.add(frame.index)
            self._captured = captured

    def _labelled(self, frame: Frame) -> list[ClassifiedFrame]:
        try:
            labelled = list(self._classifier.push(frame))
        except ExposureError as error:
            # A lens cap, a night without light: nothing that should end a run of weeks.
            self.error = str(error)
            self.reset()
            return []
        if labelled:
            self.error = None
        return labelled

    def _paired(self, labelled: list[ClassifiedFrame]) -> list[Bracket]:
        self._unlabelled -= len(labelled)
        brackets: list[Bracket] = []
        for item in self._fresh(labelled):
            self._count_cycle(item)
            if item.frame.index in self._breaks:
                self._breaks.discard(item.frame.index)
                self._break_pairing()
            self._unpaired += 1
            brackets += self._pairer.push(item)
        per_bracket = labelled[0].cycle if labelled and self.unit == 1 else 1
        self._unpaired = max(0, self._unpaired - len(brackets) * per_bracket)
        return brackets

    def _fresh(self, labelled: list[ClassifiedFrame]) -> list[ClassifiedFrame]:
        """Without those that waited so long for the first labels that nobody wants them any more."""
        stale = max(0, len(labelled) - 2 * labelled[0].cycle) if labelled else 0
        self.discarded += stale
        return labelled[stale:]

    def _count_cycle(self, item: ClassifiedFrame) -> None:
        self._seen.add(item.rank)
        if len(self._seen) == item.cycle:
            self.brackets.tick()
            self._seen.clear()

    def _break_pairing(self) -> None:
        """What waits in the pairer is as old as the silence is long: it is not shown any more."""
        self._repaired += self._pairer.repaired_pairs
        self.discarded += self._unpaired
        self._unpaired = 0
        self._pairer = self._new_pairer()
