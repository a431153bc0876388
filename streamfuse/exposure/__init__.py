"""Which exposure each frame has, and which frames belong to one instant."""

from streamfuse.exposure.classifier import ClassificationReport, ExposureClassifier
from streamfuse.exposure.pair import Pairer

__all__ = ["ClassificationReport", "ExposureClassifier", "Pairer"]
