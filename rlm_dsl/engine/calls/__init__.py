"""A model step's rows to requests, and answers back to rows."""
