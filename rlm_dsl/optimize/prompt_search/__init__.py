"""Searching for better instructions and examples by dspy's optimizers, over our models, store and budget."""
