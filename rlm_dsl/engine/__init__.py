"""Running a plan: queries in the warehouse, rounds of model calls, what the result rests on."""
