"""Reviews on a page: who opens them, what is shown, what is kept."""
