"""Which exposure each frame has, and which frames belong to one instant."""

from streamfuse.exposure.label import Labeller, LabelReport
from streamfuse.exposure.pair import Pairer

__all__ = ["LabelReport", "Labeller", "Pairer"]
