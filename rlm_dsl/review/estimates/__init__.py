"""What a sample that people looked at says of all rows: estimates with intervals, and agreement."""
