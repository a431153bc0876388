"""Where the arithmetic runs: the device backends of the stages."""
