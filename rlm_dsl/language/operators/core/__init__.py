"""What an operator is, the registry that finds them all, and what several of them share."""
