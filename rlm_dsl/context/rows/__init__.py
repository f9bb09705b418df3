"""What formats share to make rows: of documents, of values, of Arrow's batches."""
