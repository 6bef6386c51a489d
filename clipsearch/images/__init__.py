"""From a folder to upright RGB pixels: the walk, the reader, and the worker processes that decode."""
