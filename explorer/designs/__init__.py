"""Whole accelerators by the million: PE, array, memories and clock, each with its best mappings."""
