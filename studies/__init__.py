"""Finished studies, each in a folder of its own; nothing imports them but their commands."""
