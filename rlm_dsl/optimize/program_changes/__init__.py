"""Changes of the program itself, not of its words: whom it asks, how many rows together, in which order, at all."""
