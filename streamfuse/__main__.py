"""`python -m streamfuse` is the command line."""

from streamfuse.cli.app import main

main()
