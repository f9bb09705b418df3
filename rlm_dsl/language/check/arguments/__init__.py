"""The arguments of an operator: placed in its parameters, then checked each by its kind."""
