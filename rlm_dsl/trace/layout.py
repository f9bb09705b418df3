"""The files of a trace by their names.

In: nothing. Out: names within a trace's folder. Law: a folder without a seal is unfinished; the signature is the one
file that the seal does not list.
"""

from __future__ import annotations

HEADER = "trace.json"
EVENTS = "events.jsonl"
SEAL = "seal.json"
SIGNATURE = "seal.dsse.json"
"""A signature of the seal, made after it."""
