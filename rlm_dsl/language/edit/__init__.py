"""A program's text changed in some places: its calls found, arguments set, all else as it was."""
