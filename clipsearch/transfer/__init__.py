"""Files of embeddings: `export` writes them for other tools, `import_` takes embeddings made elsewhere into an index."""
