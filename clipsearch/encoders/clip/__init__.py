"""CLIP checkpoints on a CPU without torch."""
