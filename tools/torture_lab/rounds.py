"""The kinds of rounds: each sets an index up, lets a fault happen, and checks the result."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Literal, get_args

from clipsearch.store.database import FORMAT_VERSION
from torture_lab import checking, disk, syscalls
from torture_lab import trouble as passing
from torture_lab.checking import Loss
from torture_lab.children import ChildReport, child
from torture_lab.faults import Effect, Fault
from torture_lab.workload import Job, State, plan

STEPS, BEFORE = 12, 6  # commits of a whole run, and commits that an index to be broken already has
NOBODY = 65534
At = Literal["new", "index", "repair", "migrate"]


@dataclass(slots=True)
class Outcome:
    """The result of a round."""

    faults: int = 0
    states: int = 0  # states of an index that were checked
    note: str = ""


@dataclass(slots=True)
class Setting:
    """A round's index, and its allowed states."""

    folder: Path
    job: Job
    expected: list[State]
    damaged: bool = False


@dataclass(slots=True)
class Lab:
    """A folder to work in, and the results so far."""

    root: Path
    templates: dict[tuple[int, bool], tuple[Path, State]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)  # the seconds of a whole run
    calls: dict[str, int] = field(default_factory=dict)  # the number of its calls that matter

    def setting(self, chance: Random, at: At) -> Setting:
        """An index to be broken while it is made, changed, repaired or brought to a newer format."""
        seed, start = chance.randrange(4), 0 if at == "new" else BEFORE
        films = at != "migrate"  # older formats have none
        steps = plan(seed, STEPS, films=films)
        folder = self.root / "round" / "photos" / ".clipsearch"
        shutil.rmtree(self.root / "round", ignore_errors=True)
        folder.parent.mkdir(parents=True)
        state: State = {}
        if start:
            if (seed, films) not in self.templates:
                whole = self.root / f"template {seed} {films}" / ".clipsearch"
                whole.parent.mkdir()
                self.templates[seed, films] = whole, checking.build(whole, steps[:start])
            whole, state = self.templates[seed, films]
            checking.copy(whole, folder)
        if at == "repair":
            state = checking.damage(folder, state, chance)
        if at == "migrate":
            checking.downgrade(folder, chance.randrange(1, FORMAT_VERSION))
        job = Job(folder, steps, start, mends=at == "repair")
        return Setting(folder, job, checking.later_states(state, steps, start), damaged=at == "repair")

    def check(self, setting: Setting, report: ChildReport) -> Outcome:
        """Check the index after a child, and complete it."""
        if setting.damaged:
            checking.mended(setting.folder)
        number = checking.reached(setting.folder, setting.expected, report.acknowledged)
        checking.finish(setting.folder, setting.job.steps, number, setting.expected)
        return Outcome(1, 2, f"{number} of {STEPS} commits were there")


def _whole(lab: Lab, at: At, chance: Random, effect: Effect = "none") -> ChildReport:
    """A run without a fault."""
    setting = lab.setting(chance, at)
    with child(replace(setting.job, fault=Fault(0, effect))) as (_, begin, ended):
        begin()
        report = ended()
    if not report.ended:
        raise Loss(f"a run that nothing was done to failed: {report.error}")
    return report


def kill(lab: Lab, chance: Random, at: At) -> Outcome:
    """SIGKILL at a random instant."""
    if at not in lab.seconds:
        lab.seconds[at] = _whole(lab, at, Random(1)).seconds
    setting = lab.setting(chance, at)
    with child(setting.job) as (process, begin, ended):
        begin()
        time.sleep(chance.uniform(0, lab.seconds[at]))
        process.kill()
        report = ended()
    return lab.check(setting, report)


def fault(lab: Lab, chance: Random, at: At) -> Outcome:
    """The n-th call that matters fails, or ends the process."""
    if at not in lab.calls:
        lab.calls[at] = _whole(lab, at, Random(1), "EIO").calls
    setting = lab.setting(chance, at)
    effects: tuple[Effect, ...] = ("die before", "die after", "EIO", "ENOSPC")
    effect = chance.choice(effects)
    made = Fault(chance.randint(1, lab.calls[at]), effect)
    with child(replace(setting.job, fault=made, tries=chance.choice((1, 2)))) as (_, begin, ended):
        begin()
        report = ended()
    outcome = lab.check(setting, report)
    outcome.note += f"; {effect} at call {made.at}; {report.error}"
    return outcome


def syscall(lab: Lab, chance: Random, at: At) -> Outcome:
    """The n-th system call of a kind fails, or the process is killed before it."""
    if not syscalls.available():
        return Outcome(note="needs strace")
    names = syscalls.CHANGING
    if f"{at} {names[0]}" not in lab.calls:
        setting = lab.setting(Random(1), at)
        with child(setting.job) as (process, begin, ended), syscalls.traced(process.pid, lab.root / "trace"):
            begin()
            ended()
        for name, count in syscalls.counts(lab.root / "trace").items():
            lab.calls[f"{at} {name}"] = count
    name = chance.choice([name for name in names if lab.calls.get(f"{at} {name}")])
    number = chance.randint(1, lab.calls[f"{at} {name}"])
    choice = chance.choice(("signal=KILL", "error=EIO", "error=ENOSPC"))
    setting = lab.setting(chance, at)
    job = replace(setting.job, tries=chance.choice((1, 2)))
    with child(job) as (process, begin, ended), syscalls.failing(process.pid, name, number, choice, lab.root / "trace"):
        begin()
        report = ended()
    outcome = lab.check(setting, report)
    outcome.note += f"; {choice} at {name} {number}; {report.error}"
    return outcome


def full(lab: Lab, chance: Random, at: At) -> Outcome:
    """A full disk, or a limit on a file's size: no data is lost, and work goes on once there is room."""
    room = lab.root / "small disk"
    setting = lab.setting(chance, at)
    needed = sum(path.stat().st_size for path in setting.folder.rglob("*") if path.is_file()) // 1024 + 40
    size = needed + chance.randrange(0, 320)
    if not syscalls.mounted(room, size):
        with child(replace(setting.job, largest=size * 1024 // 4)) as (_, begin, ended):
            begin()
            report = ended()
        return lab.check(setting, report)
    try:
        small = room / "photos" / ".clipsearch"
        if at == "new":
            small.parent.mkdir()
        else:
            checking.copy(setting.folder, small)
        setting.folder, setting.job = small, replace(setting.job, folder=small, tries=chance.choice((1, 2)))
        with child(setting.job) as (_, begin, ended):
            begin()
            report = ended()
        read = 0
        if (small / "catalog.sqlite").exists() and not setting.damaged and report.acknowledged:
            checking.as_read(small, setting.expected, report.acknowledged)  # while the disk is still full
            read = 1
        subprocess.run(["mount", "-o", "remount,size=64m", room], check=True)
        outcome = lab.check(setting, report)
    finally:
        subprocess.run(["umount", room], check=True)
    outcome.states += read
    outcome.note += f"; {size} kB; {report.error}"
    return outcome


def read_only(lab: Lab, chance: Random, at: At) -> Outcome:
    """A killed writer's folder becomes read-only: readers still answer from the last commit."""
    setting = lab.setting(chance, "index")
    with child(setting.job) as (process, begin, ended):
        begin()
        time.sleep(chance.uniform(0, lab.seconds.get("index", 0.3)))
        process.kill()
        report = ended()
    choice = chance.choice(("as it is", "without -shm"))
    if choice == "without -shm":
        (setting.folder / "catalog.sqlite-shm").unlink(missing_ok=True)
    with syscalls.read_only(setting.folder):
        checking.as_read(setting.folder, setting.expected, report.acknowledged)
        with child(replace(setting.job, user=NOBODY if os.geteuid() == 0 else None)) as (_, begin, ended):
            begin()
            if not ended().error:
                raise Loss("a folder that cannot be written to was written to")
    outcome = lab.check(setting, report)
    return Outcome(2, outcome.states + 1, f"{outcome.note}; {choice}")


def power(lab: Lab, chance: Random, at: At) -> Outcome:
    """The power fails: unsynced writes may be on the disk in any order, in part, or not at all."""
    if not syscalls.available():
        return Outcome(note="needs strace")
    setting = lab.setting(chance, at)
    root = setting.folder.parent
    model = disk.Disk.of(root)
    with child(setting.job) as (process, begin, ended), syscalls.traced(process.pid, lab.root / "trace"):
        begin()
        ended()
    events = list(syscalls.events(lab.root / "trace"))
    cuts = sorted(chance.sample(range(len(events)), min(10, len(events))))
    outcome, done = Outcome(note=f"cuts at {cuts} of {len(events)} calls"), 0
    report = ChildReport(setting.job.start)
    for cut in cuts:
        for event in events[done:cut]:
            if event.acknowledges is not None:
                report.acknowledged = event.acknowledges
            model.take(event)
        done = cut
        for how in chance.sample(get_args(disk.Fate), 2):
            shutil.rmtree(root)
            model.after_power_loss(root, how, chance)
            try:
                result = lab.check(setting, report)
            except Exception as error:
                raise Loss(f"cut at call {cut} of {len(events)}, {how}: {type(error).__name__}: {error}") from error
            outcome.faults += 1
            outcome.states += result.states
    return outcome


def trouble(lab: Lab, chance: Random, at: At) -> Outcome:
    """Temporary trouble while photos change: see `torture_lab.trouble`."""
    return Outcome(*passing.run(lab.root / "round", chance))


KINDS: dict[str, Callable[[Lab, Random, At], Outcome]] = {
    "kill": kill,
    "fault": fault,
    "syscall": syscall,
    "full": full,
    "read-only": read_only,
    "power": power,
    "trouble": trouble,
}


def one_round(lab: Lab, kind: str, seed: str) -> tuple[At, Outcome]:
    """Run the round of a seed: the work in progress, and its outcome."""
    chance = Random(f"{kind} {seed}")
    at: At = chance.choice(get_args(At))
    return at, KINDS[kind](lab, chance, at)
