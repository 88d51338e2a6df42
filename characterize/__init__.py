"""Measures processing elements through a physical flow and keeps the measurements."""
