"""From a question to hits: parse, filter, embed, search, and judge the matches."""
