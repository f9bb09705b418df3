"""The Batch API: many requests at once, for less money and more patience; what is under way survives whoever asked."""
