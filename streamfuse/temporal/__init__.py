"""Temporal smoothing, over a bounded number of frames: of fusion weights along the motion, and of the level."""
