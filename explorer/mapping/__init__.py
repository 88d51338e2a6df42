"""Mappings of layers on accelerators: loop nests, what they move, and the search for the best."""
