"""Schemas of what floe's parts hand to each other."""
