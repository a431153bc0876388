"""Many files, and long files in segments, in several processes or on several machines."""
