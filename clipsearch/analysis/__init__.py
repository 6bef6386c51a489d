"""What else an index can tell: labels, duplicates, statistics, evaluation, optimisation."""
