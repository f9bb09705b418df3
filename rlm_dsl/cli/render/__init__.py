"""What commands print: a file for each thing that is shown, named for it. Values in, text out."""
