"""Measuring: simulated alternating-exposure clips with a known truth, quality measures, and the baselines."""
