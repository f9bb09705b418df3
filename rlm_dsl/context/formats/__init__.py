"""The file formats, one file or folder each, and nothing else: files to rows."""
