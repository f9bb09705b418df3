"""What the commands print, a file for each kind of thing that is told."""
