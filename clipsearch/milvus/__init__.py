"""Vector databases: the photos of an index, kept and searched elsewhere."""
