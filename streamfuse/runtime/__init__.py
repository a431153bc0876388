"""Runs: the pipeline, the chain of stages, and the jobs that put source, chain and sinks together."""
