"""Traces: events, seal, files, secrets, divergences. Knows nothing of programs, models or the engine."""
