"""The command line."""

from streamfuse.cli.app import main

__all__ = ["main"]
