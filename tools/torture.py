#!/usr/bin/env python3
"""Break an index in every way we know, over and over, and check each time that nothing committed is lost.

    python tools/torture.py --minutes 20
    python tools/torture.py --only power --rounds 50 --seed 3
    python tools/torture.py --only kill --replay 3.117      # repeat that round

Each round makes, changes, repairs or upgrades an index while something happens to the process, the disk or the power. Then it
checks that a reader and the next writer open the index, that `verify` finds nothing, that every acknowledged photo is there
once with exactly its vector, and that another run completes the work. The first loss ends the run and prints how to repeat it.

kill       SIGKILL at a random instant
fault      at Python's calls that matter: a call fails (EIO, ENOSPC), or the process ends before or after it
syscall    the same at system calls, including SQLite's and FAISS's; needs strace and the right to use it
full       a full disk: as root a real one, in memory; otherwise a limit on the size of files
read-only  a killed writer's folder becomes read-only
power      writes that were not synced are dropped, torn or reordered, from a trace of the system calls; needs strace
trouble    changed photos cannot be read for a while: EIO, EACCES, locks; decoders killed, stopped or short of memory
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
import traceback
from collections import defaultdict
from pathlib import Path
from random import Random

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))
from torture_lab.rounds import KINDS, Lab, Outcome, one_round

SHARES = {"kill": 14, "fault": 5, "syscall": 4, "full": 2, "read-only": 1, "power": 1, "trouble": 4}  # of the rounds


def main() -> None:
    """Run rounds until the time is over, print each, and then the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--rounds", type=int, help="at most this many")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=list(KINDS))
    parser.add_argument("--replay", metavar="SEED.ROUND", help="one round of the kind that --only names")
    parser.add_argument("--quiet", action="store_true", help="print only the table and failures")
    arguments = parser.parse_args()
    if arguments.replay and not arguments.only:
        parser.error("--replay needs --only")
    chance, totals, rounds, lost = (
        Random(arguments.seed),
        defaultdict[str, Outcome](Outcome),
        defaultdict[str, int](int),
        0,
    )
    root, last = Path(tempfile.mkdtemp(prefix="clipsearch-torture-")), ""
    lab, end, number = Lab(root), time.monotonic() + 60 * arguments.minutes, 0
    try:
        while time.monotonic() < end and number != (1 if arguments.replay else arguments.rounds) and not lost:
            number += 1
            kind = arguments.only or chance.choices(list(SHARES), list(SHARES.values()))[0]
            seed = arguments.replay or f"{arguments.seed}.{number}"
            rounds[kind] += 1
            last = kind
            try:
                at, outcome = one_round(lab, kind, seed)
            except Exception:
                lost = 1
                traceback.print_exc()
                print(f"LOST in round {seed}; again: python tools/torture.py --only {kind} --replay {seed}", flush=True)
                kept = Path(tempfile.mkdtemp(prefix="clipsearch-lost-"))
                shutil.copytree(root / "round", kept / "round")
                print(f"what it left: {kept}")
                break
            totals[kind].faults += outcome.faults
            totals[kind].states += outcome.states
            if not arguments.quiet:
                print(f"{number:5} {kind:9} {seed:8} {at:8} {outcome.note}", flush=True)
    finally:
        shutil.rmtree(root)
    print(f"\n{'kind':10} {'rounds':>7} {'faults':>7} {'states checked':>15} {'losses':>7}")
    for kind in KINDS:
        print(
            f"{kind:10} {rounds[kind]:7,} {totals[kind].faults:7,} {totals[kind].states:15,} {lost * (kind == last):7}"
        )
    faults, states = (sum(getattr(total, what) for total in totals.values()) for what in ("faults", "states"))
    print(f"{'all':10} {sum(rounds.values()):7,} {faults:7,} {states:15,} {lost:7}")
    sys.exit(lost)


if __name__ == "__main__":
    main()
