"""Index folders: choose the roots, walk them, plan the changes, decode and encode photos, apply the changes."""
