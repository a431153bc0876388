"""streamfuse."""
