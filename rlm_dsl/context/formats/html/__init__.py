"""HTML by the block."""
