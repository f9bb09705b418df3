"""Server personas, a file each: how one family of OpenAI-compatible servers differs from OpenAI's own."""
