"""Numerics on pictures that know nothing of stages: resampling, warping, tone curves, compiled loops."""
