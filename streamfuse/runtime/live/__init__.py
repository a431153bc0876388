"""Fusion of a running camera: sources that come back, outputs that never harm each other, figures at any time."""
