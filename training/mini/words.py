"""Names for the 1,000 ImageNet classes and for everything above them in WordNet 3.0 (Debian's `wordnet-base`)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

# wndb's lexicographer files of visible things: animal, artifact, body, food, location, object, person,
# phenomenon, plant, substance.
CONCRETE = {5, 6, 8, 13, 15, 17, 18, 19, 20, 27}
MAX_SHARE = 0.5  # a hypernym of more than half of the classes ("entity", "object") says nothing


@dataclass(frozen=True)
class Concept:
    """A WordNet synset: its lemmas, its gloss, and the classes of the 1,000 that lie at or under it."""

    lemmas: tuple[str, ...]
    gloss: str
    classes: tuple[int, ...]


@dataclass(frozen=True)
class Synset:
    """A line of `data.noun`."""

    lemmas: tuple[str, ...]
    parents: tuple[int, ...]
    gloss: str
    concrete: bool


def read_synsets(folder: Path) -> dict[int, Synset]:
    """`data.noun` by offset; the format is described in wndb(5WN)."""
    nouns = {}
    for line in (folder / "data.noun").read_text("utf-8").splitlines():
        if line.startswith(" "):
            continue
        data, _, gloss = line.partition(" | ")
        fields = data.split()
        count = int(fields[3], 16)
        lemmas = tuple(fields[4 + 2 * i].replace("_", " ") for i in range(count))
        rest = fields[4 + 2 * count :]
        parents = [int(rest[2 + 4 * i]) for i in range(int(rest[0])) if rest[1 + 4 * i] in ("@", "@i")]
        first_gloss = gloss.split(";")[0].split('"')[0].strip()
        nouns[int(fields[0])] = Synset(lemmas, tuple(parents), first_gloss, int(fields[1]) in CONCRETE)
    return nouns


def read_common_nouns(wordnet: Path) -> list[tuple[str, str]]:
    """(noun, gloss) of every noun that WordNet's tagged corpora contain and whose first sense is a visible thing."""
    synsets = read_synsets(wordnet)
    counted = {
        line.split("%")[0] for line in (wordnet / "cntlist.rev").read_text("utf-8").splitlines() if "%1:" in line
    }
    nouns = []
    for line in (wordnet / "index.noun").read_text("utf-8").splitlines():
        fields = line.split()
        if line.startswith(" ") or fields[0] not in counted:
            continue
        first = synsets[int(fields[-int(fields[2])])]
        if first.concrete:
            nouns.append((fields[0].replace("_", " "), first.gloss))
    return nouns


def read_concepts(labels: Path, wordnet: Path) -> list[Concept]:
    """The 1,000 classes in the classifier's order, then their informative hypernyms.

    `labels` is the ImageNet sample's `labels.jsonl`; only its class numbers, WordNet ids and names are read.
    """
    nouns = read_synsets(wordnet)
    rows = [json.loads(line) for line in labels.read_text("utf-8").splitlines()]
    offsets = [0] * 1000
    names = [""] * 1000
    for row in rows:
        offsets[row["class_index"]] = int(row["wnid"][1:])
        names[row["class_index"]] = row["label"]
    below: dict[int, set[int]] = {}
    for index, offset in enumerate(offsets):
        stack, seen = [offset], {offset}
        while stack:
            for parent in nouns[stack.pop()].parents:
                if parent not in seen:
                    seen.add(parent)
                    stack.append(parent)
        for ancestor in seen - {offset}:
            below.setdefault(ancestor, set()).add(index)
    concepts = []
    for index, offset in enumerate(offsets):
        others = [lemma for lemma in nouns[offset].lemmas if lemma.lower() != names[index].lower()]
        concepts.append(Concept((names[index], *others), nouns[offset].gloss, (index,)))
    for offset in sorted(below):
        members = below[offset]
        if len(members) <= 1000 * MAX_SHARE:
            concepts.append(Concept(nouns[offset].lemmas, nouns[offset].gloss, tuple(sorted(members))))
    return concepts
