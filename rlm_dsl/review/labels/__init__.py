"""What people said of rows: kept in `PROGRAM.labels.jsonl`, read, brought in and given out."""
