"""Questions about a whole index or model: labels, duplicates, statistics, evaluation, optimisation, diagnosis."""
