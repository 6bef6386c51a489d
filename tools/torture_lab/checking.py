"""Check that an index is in one of its allowed states."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from random import Random

from clipsearch.store.collection import Collection
from clipsearch.store.repair import repair
from clipsearch.store.verify import verify
from clipsearch.store.writer import CollectionWriter
from torture_lab.workload import State, Step, after, apply, opened, small_tiers, states, vectors_of


class Loss(Exception):
    """Committed data is lost, doubled or changed, or an index needs a person's help."""


def reached(folder: Path, expected: Sequence[State], acknowledged: int) -> int:
    """The number of the state that an index is in. Raises Loss unless it is the last acknowledged commit or the next one.

    The index is opened as a reader and then as the next writer would open it. It must be clean both times.
    """
    if not (folder / "catalog.sqlite").exists():
        if acknowledged:
            raise Loss(f"commit {acknowledged} was acknowledged, and there is no index")
        return 0
    number = _state(folder, expected, acknowledged, CollectionWriter)
    if _state(folder, expected, acknowledged, Collection) != number:
        raise Loss("a reader sees another state than the writer before it")
    named = _named(folder)
    if stray := {path.name for path in (folder / "segments").iterdir()} - named:
        raise Loss(f"files that the catalog does not list stay: {stray}")
    return number


def as_read(folder: Path, expected: Sequence[State], acknowledged: int) -> int:
    """The same for a reader, which opens the index right after the fault."""
    return _state(folder, expected, acknowledged, Collection)


def _state(folder: Path, expected: Sequence[State], acknowledged: int, opened: type[Collection]) -> int:
    with opened(folder) as collection:
        found: State = {}
        for records, _ in collection.scan():
            for record in records:
                name = os.path.relpath(record.file.path, folder.parent).replace(os.sep, "/")
                if name in found:
                    raise Loss(f"{name} is there twice")
                found[name] = record.info.width
                kept = collection.file_vectors(record.image_id)
                if kept.tobytes() != vectors_of(name, record.info.width).tobytes():
                    raise Loss(f"{name} has other vectors than it was given")
    if damages := verify(folder).damages:
        raise Loss(f"verify finds {damages[0].where}: {damages[0].what}")
    for number in (acknowledged, acknowledged + 1):
        if number < len(expected) and found == expected[number]:
            return number
    here = expected[acknowledged]
    lost, changed = here.keys() - found.keys(), {name for name in found if here.get(name) != found[name]}
    raise Loss(
        f"not the state after commit {acknowledged}, nor the next: without {sorted(lost)}, other {sorted(changed)}"
    )


def _named(folder: Path) -> set[str]:
    with Collection(folder) as collection:
        infos = collection.segment_infos()
    return {info.name for info in infos} | {info.compact_name for info in infos if info.compact}


def finish(folder: Path, steps: list[Step], start: int, expected: Sequence[State]) -> None:
    """Run the rest of a plan. Raises Loss if it does not reach the last state."""
    with small_tiers(), opened(folder) as collection:
        for step in steps[start:]:
            apply(collection, step)
    if reached(folder, expected, len(steps)) != len(steps):
        raise Loss("running it again did not complete it")


# -- indexes to start from


def build(folder: Path, steps: list[Step]) -> State:
    """Make an index by some steps; returns its state."""
    with small_tiers(), opened(folder) as collection:
        for step in steps:
            apply(collection, step)
    return states(steps)[-1]


def copy(index: Path, folder: Path) -> None:
    """Copy an index to another folder."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(index, folder)


def damage(folder: Path, state: State, chance: Random) -> State:
    """Damage one photo's vector or row; returns the state that a repair can keep."""
    victim = chance.choice(sorted(state))
    if chance.random() < 0.5:
        wanted = chance.choice(vectors_of(victim, state[victim])).tobytes()
        for path in sorted((folder / "segments").glob("*.faiss")):
            data = bytearray(path.read_bytes())
            if (place := data.find(wanted)) >= 0 and ".int8." not in path.name:
                data[place + chance.randrange(len(wanted))] ^= 1 << chance.randrange(8)
                path.write_bytes(data)
    else:
        with closing(sqlite3.connect(folder / "catalog.sqlite")) as database, database:
            database.execute("UPDATE images SET height = 99 WHERE width = ?", (state[victim],))
    return {name: version for name, version in state.items() if name != victim}


def mended(folder: Path) -> None:
    """Repair a damaged index, as a person would. Raises Loss if it is still damaged afterwards."""
    repair(folder)
    if damages := verify(folder).damages:
        raise Loss(f"repaired, and verify finds {damages[0].where}: {damages[0].what}")


def downgrade(folder: Path, version: int) -> None:
    """Turn an index into one of an older format."""
    with closing(sqlite3.connect(folder / "catalog.sqlite", isolation_level=None)) as database:
        if version < 9:
            database.execute("DROP TABLE placeholders")
        if version < 8:
            for table in ("full_text", "facts", "tags", "image_tags"):
                database.execute(f"DROP TABLE {table}")
        if version < 7:
            database.execute("DROP INDEX images_by_pictures")
            for column in ("pictures", "moments"):
                database.execute(f"ALTER TABLE images DROP COLUMN {column}")
        for column in ("cause", "attempts", "tried_with") if version < 6 else ():
            database.execute(f"ALTER TABLE failures DROP COLUMN {column}")
        if version < 5:
            database.execute("ALTER TABLE images DROP COLUMN caption")
        if version < 4:
            for table, column in (("images", "row_check"), ("images", "vector_check"), ("failures", "row_check")):
                database.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
            database.execute("DELETE FROM meta WHERE key IN ('check', 'vectors checked')")
        if version < 3:
            for index in ("date", "camera", "place", "shape", "format"):
                database.execute(f"DROP INDEX images_by_{index}")
        if version < 2:
            database.execute("DROP TABLE compact")
            for path in (folder / "segments").glob("*.int8.faiss"):
                path.unlink()
        database.execute(f"PRAGMA user_version = {version}")


def later_states(first: State, steps: list[Step], start: int) -> list[State]:
    """The states by number; the given state is at `start`. Earlier numbers share it, and it does not come again."""
    reached_there = [first] * (start + 1)
    for step in steps[start:]:
        reached_there.append(after(reached_there[-1], step))
    return reached_there
