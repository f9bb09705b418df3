"""`review` in a terminal: what is shown, and what keys mean."""
