"""Files to bytes and texts: finding them, opening and decompressing, reading whole, by blocks, and spans again."""
