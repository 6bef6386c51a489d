"""Small helpers without knowledge of photos: atomic files, paths, checksums, shell commands."""
