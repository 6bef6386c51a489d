"""Measure clipsearch beside its peers. `--help` lists the options; the program is benchmarks/bench.py."""

import runpy
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
runpy.run_path(str(BENCHMARKS / "bench.py"), run_name="__main__")
