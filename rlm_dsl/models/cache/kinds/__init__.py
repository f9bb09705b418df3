"""The kinds of answer stores, a folder each, and nothing else: answers kept somewhere."""
