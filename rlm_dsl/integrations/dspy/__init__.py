"""dspy's interfaces over our runs: a module that explores, a program as predictors, its models and types as ours."""
