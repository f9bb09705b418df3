"""Programs as they are, held against labels: nothing is searched for."""
