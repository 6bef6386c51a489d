"""Functions that turn results into strings; nothing here prints."""
