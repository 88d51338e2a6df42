"""Explores design spaces with surrogates, and holds the command line."""
