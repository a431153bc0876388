"""Alignment: which exposure a frame has, which frames belong together, and all exposures in one geometry."""

from streamfuse.align.aligner import Aligner
from streamfuse.exposure.label import Labeller, LabelReport
from streamfuse.exposure.pair import Pairer

__all__ = ["Aligner", "LabelReport", "Labeller", "Pairer"]
