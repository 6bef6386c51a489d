"""From one file to upright RGB pixels and what the file says of itself, decoded in worker processes."""
