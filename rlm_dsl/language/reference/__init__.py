"""What is written of the language from its registry: the card for models, the manual, the reference's pages."""
