"""The faults that tools/torture.py injects into an index, and the checks of the index afterwards."""
