"""The root model's loop: from a question to a program and its answer."""
