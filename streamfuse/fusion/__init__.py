"""Fusion: LCNDR weights at low resolution, a full-size pyramid blend, chroma, and the Mertens baseline."""
