"""What can be done with a recorded run without asking anything: verify it, cite from it, look into it."""
