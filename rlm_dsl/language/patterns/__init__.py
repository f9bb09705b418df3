"""RE2 patterns: what is refused and why, their trees, and cheaper forms that find the same."""
