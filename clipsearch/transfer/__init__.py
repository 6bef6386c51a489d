"""Embeddings as files: out of an index for other tools, and into one from elsewhere."""
