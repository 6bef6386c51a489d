"""The HTTP server: the search engine for a browser and for programs, on this machine alone unless told otherwise."""
