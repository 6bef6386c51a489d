"""The collection on disk: immutable vector segments and a SQLite catalog behind one commit point."""
