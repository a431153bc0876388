"""Alignment: all exposures of an instant in one geometry, and how far each pixel of them can be believed."""

from streamfuse.align.aligner import Aligner

__all__ = ["Aligner"]
