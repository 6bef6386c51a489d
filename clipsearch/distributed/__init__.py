"""Indexing on many machines: chunks of photos become immutable parts on shared storage, which are committed once."""
