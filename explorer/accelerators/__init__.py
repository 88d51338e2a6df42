"""Accelerators: a hierarchy of memories over an array of processing elements."""
