"""Replies of a root that are kept to a grammar."""
