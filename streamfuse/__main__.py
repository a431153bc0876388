"""`python -m streamfuse` is the command line."""

from streamfuse.cli import main

main()
