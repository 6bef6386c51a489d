"""Phrases of captions, as people type queries: "a river", "swimming", "red shirt", "in the water".

Captions are sentences about somebody, so a lone word is rarely seen in training. Each phrase here comes with the photos whose
captions have it, and a hypernym with those of all words below it: "a vehicle" has the photos of cars and of buses.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mini.words import Synset, read_synsets

LEAST = 8  # photos of a phrase
LARGEST_SHARE = 0.45  # a phrase of more of the photos says little


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


DETERMINERS = _words("a an the some his her their its")
PREPOSITIONS = _words(
    "in on under at near through over behind by with into along across down up around inside outside beside against"
)
FUNCTION_WORDS = _words(  # and words that a photo does not show
    "and or is are be was has have having being do doing get getting go going come coming who that which while as not no it "
    "he she they him them her this these there other another each all both one two three four five six several many group "
    "couple pair lot kind front back top middle background side off out very look looking make making try trying take taking "
    "seem appear miss"
)
_UNSEEN = FUNCTION_WORDS | DETERMINERS | PREPOSITIONS
_PLURALS = (("ies", "y"), ("ches", "ch"), ("shes", "sh"), ("xes", "x"), ("sses", "ss"), ("men", "man"), ("s", ""))
_IRREGULAR = {"ran": "running", "swam": "swimming", "rode": "riding", "sat": "sitting", "stood": "standing"}
_TEMPLATES = {
    "noun": ("{article}", "there is {article}", "a photo of a {text}"),
    "adjective": ("{article}", "{text}", "there is {article}"),
    "activity": ("a photo of a {text}", "somebody {text}", "{text}"),
    "place": ("{text}", "{text} .", "somebody {text}"),
}


@dataclass(frozen=True)
class Phrase:
    """A phrase, its kind (a key of _TEMPLATES), and for each photo how many of its captions have it."""

    kind: str
    text: str
    photos: Mapping[int, int]

    def texts(self) -> list[str]:
        """The phrase in the forms that people type, and in the one that a search makes of a single word."""
        article = ("an " if self.text[0] in "aeiou" else "a ") + self.text
        return [template.format(text=self.text, article=article) for template in _TEMPLATES[self.kind]]


class Lexicon:
    """What WordNet says about words."""

    def __init__(self, folder: Path) -> None:
        self.synsets: dict[int, Synset] = read_synsets(folder)
        # The first of a noun's senses is its most frequent one.
        self.nouns = {fields[0]: int(fields[-int(fields[2])]) for fields in _index(folder / "index.noun")}
        self.verbs = {fields[0] for fields in _index(folder / "index.verb")}
        self.adjectives = {fields[0] for fields in _index(folder / "index.adj")}
        # How often WordNet's tagged texts use a word as a noun, verb or adjective. Senses are in the form of senseidx(5WN).
        self.counts = {kind: Counter[str]() for kind in "nva"}
        for line in (folder / "cntlist.rev").read_text("utf-8").splitlines():
            key, _, count = line.split()
            word, _, sense = key.partition("%")
            if kind := {"1": "n", "2": "v", "3": "a", "5": "a"}.get(sense[0]):
                self.counts[kind][word] += int(count)

    def singular(self, word: str) -> str | None:
        """A noun's singular; None if the word is no noun."""
        for end, other in _PLURALS:
            stem = word.removesuffix(end) + other
            if word.endswith(end) and not word.endswith("ss") and len(word) > 3 and stem in self.nouns:
                return stem
        return word if word in self.nouns else None

    def verb(self, word: str) -> str | None:
        """The verb of a word in -ing: "running" is of "run"."""
        stem = word.removesuffix("ing")
        if stem == word or len(stem) < 3:
            return None
        single = [stem[:-1]] if stem[-1] == stem[-2] and stem[-1] not in "lsz" else []
        return next((verb for verb in (*single, stem, f"{stem}e") if verb in self.verbs), None)

    def is_adjective(self, word: str) -> bool:
        """Whether a word is more often an adjective than a noun, so that a phrase cannot end with it."""
        return word in self.adjectives and self.counts["a"][word] >= self.counts["n"][self.singular(word) or word]

    def above(self, word: str) -> set[int]:
        """The synset of a noun's first sense and all above it."""
        stack = [self.nouns[word.replace(" ", "_")]]
        seen = set(stack)
        while stack:
            for parent in self.synsets[stack.pop()].parents:
                if parent not in seen:
                    seen.add(parent)
                    stack.append(parent)
        return seen


def read_phrases(captions: Sequence[Sequence[str]], lexicon: Lexicon, least: int = LEAST) -> list[Phrase]:
    """The phrases of the captions of photos, in the order of their first use. Photos are counted from 0."""
    tokens = [[re.findall(r"[a-z'-]+|[.,]", caption.lower()) for caption in each] for each in captions]
    activities = _activities(Counter(word for each in tokens for caption in each for word in caption), lexicon)
    found: dict[tuple[str, str], Counter[int]] = defaultdict(Counter)
    for photo, each in enumerate(tokens):
        for caption in each:
            for key in set(_phrases(caption, lexicon, activities)):
                found[key][photo] += 1
    _add_hypernyms(found, lexicon)
    most = LARGEST_SHARE * len(captions)
    return [Phrase(kind, text, photos) for (kind, text), photos in found.items() if least <= len(photos) <= most]


def _activities(words: Counter[str], lexicon: Lexicon) -> dict[str, str]:
    """The word in -ing for each form of a verb, if the captions have it and it is more often a verb than a noun."""
    activities = {}
    for word, _ in sorted(words.items(), key=lambda item: item[1]):  # the most frequent spelling last
        verb = lexicon.verb(word)
        if verb and word not in FUNCTION_WORDS and lexicon.counts["n"][word] < lexicon.counts["v"][verb]:
            activities |= dict.fromkeys((verb, f"{verb}s", f"{verb}es", word), word)
    return activities | {form: word for form, word in _IRREGULAR.items() if word in words}


def _phrases(caption: list[str], lexicon: Lexicon, activities: Mapping[str, str]) -> list[tuple[str, str]]:
    """Kinds and texts of a caption's phrases."""
    phrases = []
    for word, *after in zip(caption, [*caption[1:], "."], [*caption[2:], ".", "."], strict=False):
        end = after[1] if after[0] in DETERMINERS else after[0]
        noun, following = (None if x in _UNSEEN else lexicon.singular(x) for x in (word, after[0]))
        is_object = end not in _UNSEEN and bool(lexicon.singular(end)) and not lexicon.is_adjective(end)
        tail = f"{after[0]} {end}" if after[0] in DETERMINERS else end
        activity = None if word in _UNSEEN else activities.get(word)
        is_compound = bool(following) and f"{noun or word}_{following}" in lexicon.nouns  # "swimming pool"
        if word in PREPOSITIONS:
            phrases += [("place", f"{word} {tail}")] * is_object
        elif is_compound and word not in _UNSEEN:
            phrases += [
                ("noun", f"{noun or word} {following}"),
                *[("noun", noun)] * bool(noun and word not in activities),
            ]
        elif activity and (word == activity or not noun or lexicon.counts["v"][word] > lexicon.counts["n"][noun]):
            phrases.append(("activity", activity))
            phrases += [("place", f"{activity} {tail}")] * is_object
        elif word not in _UNSEEN and lexicon.is_adjective(word):
            if following and is_object and end == after[0]:
                phrases.append(("adjective", f"{word} {following}"))
        elif noun and lexicon.counts["n"][noun]:
            phrases.append(("noun", noun))
    return phrases


def _add_hypernyms(found: dict[tuple[str, str], Counter[int]], lexicon: Lexicon) -> None:
    """Give a visible thing's name the photos of all nouns below it; common names only, in their first sense."""
    photos: dict[int, Counter[int]] = defaultdict(Counter)
    below: dict[int, set[str]] = defaultdict(set)
    for (kind, text), counts in found.items():
        if kind == "noun" and text.replace(" ", "_") in lexicon.nouns:
            for synset in lexicon.above(text):
                if lexicon.synsets[synset].concrete:
                    photos[synset] |= counts  # the larger count of both
                    below[synset].add(text)
    for synset, counts in photos.items():
        for lemma in lexicon.synsets[synset].lemmas[:2]:
            key = lemma.lower().replace(" ", "_")
            if len(below[synset]) > 1 and lexicon.counts["n"][key] and lexicon.nouns.get(key) == synset:
                found["noun", lemma.lower()] = counts


def _index(path: Path) -> list[list[str]]:
    """The fields of the lines of one of WordNet's index files."""
    return [line.split() for line in path.read_text("utf-8").splitlines() if not line.startswith(" ")]
