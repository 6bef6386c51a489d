"""The embedded model, which ships inside the package."""
