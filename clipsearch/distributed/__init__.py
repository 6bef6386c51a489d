"""Index on many machines: workers turn chunks of photos into immutable parts on shared storage, committed all at once."""
