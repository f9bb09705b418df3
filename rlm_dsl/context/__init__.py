"""Loading corpora to the byte: files to rows that know where they came from."""
