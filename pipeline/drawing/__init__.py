"""Illustrated people and places: what the `avatar` backend draws with."""
