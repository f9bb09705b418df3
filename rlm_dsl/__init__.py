"""rlm-dsl: recursive language models as small typed programs."""
