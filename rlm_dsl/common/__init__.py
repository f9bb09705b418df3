"""What every room may use: places in texts, problems, hashing, YAML, HTML. Knows nothing of the language."""
