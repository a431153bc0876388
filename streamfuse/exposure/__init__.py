"""Which exposure each frame has, and which frames belong to one instant."""
