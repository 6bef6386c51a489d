"""The parts of scripts/bench.py: the peers, and the code that runs them."""
