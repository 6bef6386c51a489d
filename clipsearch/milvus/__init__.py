"""Milvus as a vector store: `push` and `pull` copy an index to and from it, and `MilvusStore` answers queries."""
