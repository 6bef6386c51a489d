"""Read-only tools for AI assistants, over the Model Context Protocol."""
