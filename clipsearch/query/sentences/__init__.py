"""From a sentence to filters (`--smart`): dates, people and places in it; `smart.understand` is the way in."""
