"""Running plans: the warehouse, models, and what a run leaves behind."""
