"""Splits of the filtered events into parts: a file each, whose ``split(events, options)`` makes a ``Split``."""
