"""What everything else speaks in: frames, the protocols of sources, stages and sinks, colour, options."""
