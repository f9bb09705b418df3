"""Scalar functions, one family a file."""
