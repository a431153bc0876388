"""Photographs: reading, aligning by hand-held motion, fusing, writing."""
