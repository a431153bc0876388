"""CUDA kernels, a thin wrapper and a torch reference each: what one launch does in place of many."""
