"""Generates processing elements: parameters, hardware, golden model, files for other tools."""
