"""Models of the user's own: weights in a file, served by a process of the run's own on loopback."""
