"""Temporal smoothing: of fusion weights, along the motion, over a bounded number of frames."""
