"""Typed programs to plans: fused queries and rounds of model calls, in the order in which they run."""
