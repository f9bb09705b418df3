"""Answers that were paid for: where they are kept, who is fetching one, what is thrown away."""
