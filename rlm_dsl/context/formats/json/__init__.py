"""JSON and JSON Lines: values to rows."""
