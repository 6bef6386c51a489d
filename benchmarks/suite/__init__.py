"""What scripts/bench.py is made of: the peers, and how they are run."""
