"""Reviews: estimates, draws, labels, sessions."""
