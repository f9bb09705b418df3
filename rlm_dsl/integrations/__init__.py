"""Other people's interfaces to this package: dspy, rlms, MCP, editors, data that Python holds."""
