"""Sinks: where fused frames go."""
