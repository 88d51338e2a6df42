"""Learns from measured processing elements and predicts all others."""
