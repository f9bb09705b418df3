"""One file or folder a format: files to rows."""
