"""CSV and TSV: records, blocks beside each other, rows."""
