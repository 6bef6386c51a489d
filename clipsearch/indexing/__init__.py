"""From a folder to the collection: find the photos, plan the changes, decode and encode, apply."""
