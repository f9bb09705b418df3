"""The Batch API of the endpoint, and what goes wrong with it on purpose."""
