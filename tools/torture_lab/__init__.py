"""What tools/torture.py does to an index, and how it finds out what became of it."""
