"""Contexts kept on disk: their rows in files of the engine, written once, opened at once, and grown."""
