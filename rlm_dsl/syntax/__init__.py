"""Text to tree and back: the one user of Lark is `parse`."""
