"""Cells and values to typed columns: what they read as, how they are held in Arrow, what a column is called."""
