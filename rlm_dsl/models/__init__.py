"""Whom a run asks: one protocol, and the layers between a request and its answer."""
