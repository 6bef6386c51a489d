#!/usr/bin/env python3
"""Measure how well photos are found by facts, words and meaning, in a library that make_library.py made.

    python benchmarks/measure_facts.py /tmp/library                  # everything; indexes with `mini` first
    python benchmarks/measure_facts.py /tmp/library filters          # one part
    python benchmarks/measure_facts.py /tmp/library --missing 5      # also name what was wrong or not found, for each row

    facts     what is read of each photo, by the program that wrote it
    filters   the photos that each filter leaves
    texts     words in pictures, found by --text, by script; and by kind, angle and size of those in scripts that are read
    ranking   share of the right photos among the first ten: by meaning, by words, and by both
    sentences the photos that meet what --smart understood

Precision is the share of what was found that is right, recall the share of what is right that was found. Both are over all
questions of a row.
"""

from __future__ import annotations

import argparse
import re
import sys
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from photo_library.plan import Photo
from photo_library.scores import Tally, recall_at
from photo_library.texts import TextPicture
from photo_library.truth import TRUTH_FILE, Truth, read_truth
from photo_library.world import CITIES, LABELS, PEOPLE, SUBJECTS

from clipsearch import Query, SearchEngine, Term
from clipsearch.query import filters
from clipsearch.store.collection import Collection as Index
from clipsearch.types import ImageInfo, ImageRecord

ALL = 1_000_000  # more hits than there are photos
_NEAR = 0.0002  # degrees: 20 m
_CAPTIONS = 300
_SHORTEST_WORD = 4
_WITHOUT_SPACES = ("Chinese", "Japanese", "Korean")  # a word of these is found inside longer ones
_TODAY = date(2024, 12, 31)  # for "last summer": in the library's time
_MONTHS = {
    "English": (
        "in {month} {year}",
        "January February March April May June July August September October November December",
    ),
    "German": (
        "im {month} {year}",
        "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    ),
    "French": (
        "en {month} {year}",
        "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    ),
    "Spanish": (
        "en {month} de {year}",
        "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    ),
}
_READ = ("Latin", "Chinese", "Japanese")  # scripts of the models; rows for kinds, angles and sizes leave the others out
_MOST_RIGHT = 30  # photos that a question of the ranking may have as its answer


@dataclass
class Library:
    """A made library with its index."""

    folder: Path
    truth: Truth
    engine: SearchEngine
    records: dict[str, ImageRecord]  # by path inside the library
    missing: int  # how many faults to name for each row

    def path(self, record: ImageRecord) -> str:
        """Its path inside the library."""
        return Path(record.file.path).relative_to(self.folder).as_posix()

    def left_by(self, **chosen: object) -> set[str]:
        """The paths that filters leave; arguments are those of `filters.chosen`."""
        conditions = filters.chosen(**chosen)  # type: ignore[arg-type]
        hits = self.engine.search(Query((), conditions), top_k=ALL)
        return {self.path(hit.record) for hit in hits}

    def best(self, texts: Sequence[str], **options: Any) -> list[list[str]]:
        """The paths of the ten best photos for each text; options are those of a Query."""
        queries = [Query((Term(text),), **options) for text in texts]
        answers = self.engine.search_many(queries, top_k=10)
        return [[self.path(hit.record) for hit in hits] for hits in answers]

    def show(self, what: str, found: Collection[str], wanted: Collection[str]) -> None:
        """Name some faults of an answer."""
        faults = [f"- {item}" for item in sorted(set(wanted) - set(found))]
        faults += [f"+ {item}" for item in sorted(set(found) - set(wanted))]
        for fault in faults[: self.missing]:
            print(f"    {what}: {fault}", file=sys.stderr)


# -- facts


def facts(library: Library) -> Iterator[str]:
    """A row for each layout and fact."""
    tallies: dict[tuple[str, str], Tally] = defaultdict(Tally)
    for photo in library.truth.photos:
        record = library.records.get(photo.path)
        for name, (found, wanted) in _compared(photo, record.info if record else None).items():
            if found or wanted:
                tallies[photo.layout, name].add(found, wanted)
                library.show(f"{name} of {photo.path}", list(map(str, found)), list(map(str, wanted)))
    yield "| program | fact | photos | precision | recall |\n|---|---|---|---|---|"
    for (layout, name), tally in tallies.items():
        yield f"| {layout} | {name} | {tally.questions:,} | {tally.precision:.3f} | {tally.recall:.3f} |"


def _compared(photo: Photo, info: ImageInfo | None) -> dict[str, tuple[set[object], set[object]]]:
    """Fact → (what was read, what was written)."""

    def texts(*values: object) -> set[object]:
        return {value for value in values if value is not None}

    if info is None:
        info = ImageInfo(0, 0, "", "")
    taken = info.taken_at.replace(tzinfo=None) if info.taken_at else None
    above = {*photo.groups, *photo.people, "People"}  # in hierarchies, over the keywords
    more = above - set(photo.keywords)
    place: set[object] = {info.gps} if info.gps else set()
    if photo.gps and info.gps and all(abs(a - b) < _NEAR for a, b in zip(info.gps, photo.gps, strict=True)):
        place = {photo.gps}
    return {
        "date": (texts(taken), texts(photo.taken_at)),
        "source of the date": (texts(info.taken_from), texts(photo.date_in)),
        "place": (place, texts(photo.gps)),
        "keywords": (texts(*(word for word in info.keywords if word not in more)), texts(*photo.keywords)),
        "people": (set(info.people), set(photo.people)),
        "rating": (texts(info.rating), texts(photo.rating)),
        "label": (texts(info.label), texts(photo.label)),
        "title": (texts(info.title), texts(photo.title)),
        "description": (texts(info.description), texts(photo.description)),
    }


# -- filters


def filtered(library: Library) -> Iterator[str]:
    """A row for each filter."""
    photos = library.truth.photos
    questions: dict[str, Callable[[], Iterable[tuple[str, set[str], set[str]]]]] = {
        "--keyword": lambda: (
            (word, library.left_by(keywords=[word]), {photo.path for photo in photos if word in photo.keywords})
            for word in sorted({word for photo in photos for word in photo.keywords})
        ),
        "--person": lambda: (
            (name, library.left_by(people=[name]), {photo.path for photo in photos if name in photo.people})
            for name in PEOPLE
        ),
        "--rating": lambda: (
            (str(stars), library.left_by(rating=str(stars)), {photo.path for photo in photos if photo.rating == stars})
            for stars in range(6)
        ),
        "--rating 4..": lambda: [
            ("4..", library.left_by(rating="4.."), {photo.path for photo in photos if (photo.rating or 0) >= 4})
        ],
        "--where label": lambda: (
            (label, library.left_by(where=f"label = {label}"), {photo.path for photo in photos if photo.label == label})
            for label in LABELS
        ),
        "--taken, a month": lambda: (
            (month, library.left_by(taken=month), {photo.path for photo in photos if _month(photo) == month})
            for month in sorted({_month(photo) for photo in photos} - {""})
        ),
        "--text, a title": lambda: (
            (title, library.left_by(text=f'"{title}"'), _with_phrase(photos, title))
            for title in sorted({photo.title for photo in photos if photo.title})
        ),
        "--place, a city": lambda: _places(library, "city"),
        "--place, a city by another name": lambda: _places(library, "other"),
        "--place, a region": lambda: _places(library, "region"),
        "--place, a country": lambda: _places(library, "country"),
    }
    yield "| filter | questions | photos | precision | recall |\n|---|---|---|---|---|"
    for name, asked in questions.items():
        tally = Tally()
        try:
            for what, found, wanted in asked():
                tally.add(found, wanted)
                library.show(f"{name} {what}", found, wanted)
        except TypeError as error:  # this version has no such filter
            yield f"| {name} | not measured: {error} |"
            continue
        yield f"| {name} | {tally.questions} | {tally.wanted:,} | {tally.precision:.3f} | {tally.recall:.3f} |"


def _month(photo: Photo) -> str:
    return f"{photo.taken_at:%Y-%m}" if photo.taken_at else ""


def _with_phrase(photos: Iterable[Photo], phrase: str) -> set[str]:
    return {photo.path for photo in photos if folded(phrase) in folded(photo.words)}


def _places(library: Library, level: str) -> Iterator[tuple[str, set[str], set[str]]]:
    """Names of places of a level, with the photos taken there. Two places of one name count as one."""
    of: dict[str, set[int]] = defaultdict(set)
    for number, city in enumerate(CITIES):
        names = city.others if level == "other" else (getattr(city, {"city": "name"}.get(level, level)),)
        for name in names:
            of[name].add(number)
    taken: dict[int, set[str]] = defaultdict(set)
    for photo in library.truth.photos:
        if photo.city is not None:
            taken[photo.city].add(photo.path)
    for name, numbers in sorted(of.items()):
        wanted = set().union(*(taken[number] for number in numbers))
        if wanted:
            yield name, library.left_by(places=[name]), wanted


# -- texts in pictures


def folded(text: str) -> str:
    """Words in lower case, without accents and signs, each between spaces."""
    parts = unicodedata.normalize("NFKD", text.casefold())
    plain = unicodedata.normalize("NFC", "".join(sign for sign in parts if not unicodedata.combining(sign)))
    words = " ".join(re.findall(r"\w+", plain))
    return f" {words} "


def texts(library: Library) -> Iterator[str]:
    """Rows for scripts, kinds and sizes: words of the pictures, asked by --text."""
    pictures = library.truth.texts
    words = {picture.path: _words(picture) for picture in pictures}
    written = {photo.path: folded(photo.words) for photo in library.truth.photos}
    written |= {picture.path: folded(" ".join(picture.lines)) for picture in pictures}

    def with_word(word: str, script: str) -> set[str]:
        asked = folded(word).strip() if script in _WITHOUT_SPACES else folded(word)
        return {path for path, text in written.items() if asked in text}

    answers: dict[str, set[str]] = {}
    rows: dict[str, Tally] = defaultdict(Tally)
    random = Random(0)
    for picture in sorted(pictures, key=lambda picture: picture.path):
        asked = sorted(words[picture.path])
        for word in random.sample(asked, min(4, len(asked))):
            if word not in answers:
                answers[word], wanted = library.left_by(text=f'"{word}"'), with_word(word, picture.script)
                rows["all"].add(answers[word], wanted)
                library.show(f"--text {word}", answers[word], wanted)
            found = answers[word] & {picture.path}
            laid = "at an angle" if picture.photographed else "straight"
            size = "below 24 px" if picture.text_height < 24 else "24 px and more"
            for row in (picture.script, *((picture.kind, laid, size) if picture.script in _READ else ())):
                rows[row].add({(word, path) for path in found}, {(word, picture.path)})
    yield "| words in pictures | questions | precision | recall |\n|---|---|---|---|"
    order = ["all", *sorted({picture.script for picture in pictures}), *sorted({picture.kind for picture in pictures})]
    order += ["straight", "at an angle", "24 px and more", "below 24 px"]
    for row in order:
        tally = rows[row]
        precision = f"{tally.precision:.3f}" if row == "all" else ""
        yield f"| {row} | {tally.questions:,} | {precision} | {tally.recall:.3f} |"


def _words(picture: TextPicture) -> set[str]:
    """Words to ask for. Scripts without spaces have their lines instead."""
    if picture.script in ("Chinese", "Japanese"):
        return {part for line in picture.lines for part in re.findall(r"[\u3040-\u30ff\u3400-\u9fff]{3,}", line)}
    found = {word for line in picture.lines for word in re.findall(r"\w+", line)}
    shortest = 2 if picture.script == "Korean" else _SHORTEST_WORD
    return {word for word in found if len(word) >= shortest and not word.isdigit()}


# -- ranking


def _questions(library: Library) -> dict[str, list[tuple[str, set[str]]]]:
    """Kind → questions, each with the paths of the photos that answer it."""
    photos = library.truth.photos
    random = Random(0)
    caption_of = random.sample(photos, min(_CAPTIONS, len(photos)))
    return {
        "meaning: a caption": [(random.choice(photo.captions).rstrip(" ."), {photo.path}) for photo in caption_of],
        "words in a picture": [
            (
                line,
                {other.path for other in library.truth.texts if folded(line).strip() in folded(" ".join(other.lines))},
            )
            for picture in library.truth.texts
            for line in picture.lines[:1]
            if picture.script == "Latin"
        ],
        "a title": [
            (title, _with_phrase(photos, title)) for title in sorted({photo.title for photo in photos if photo.title})
        ],
        "a name and a subject": [
            (
                f"{name} with a {subject}",
                {photo.path for photo in photos if name in photo.people and subject in photo.shows},
            )
            for name in PEOPLE
            for subject in SUBJECTS
        ],
        "an occasion and a subject": [
            (
                f"{subject} at the {occasion}",
                {photo.path for photo in photos if occasion in photo.words and subject in photo.shows},
            )
            for occasion in sorted({photo.occasion for photo in photos if photo.occasion})
            for subject in SUBJECTS
        ],
        "a city and a subject": [
            (
                f"{subject} in {city}",
                {
                    photo.path
                    for photo in photos
                    if photo.city is not None and CITIES[photo.city].name == city and subject in photo.shows
                },
            )
            for city in sorted({city.name for city in CITIES})
            for subject in SUBJECTS
        ],
    }


def ranking(library: Library) -> Iterator[str]:
    """A row for each kind of question: recall among the first ten, by each way of ranking."""
    kinds = _questions(library)
    with Index(library.engine.index_folder) as index:

        def by_words(texts: Sequence[str]) -> list[list[str]]:
            rankings = [index.full_text_ranking(text, None, 10) for text in texts]
            return [[library.path(record) for record in index.records(ids).values()] for ids in rankings]

        ways: dict[str, Callable[[Sequence[str]], list[list[str]]]] = {
            "meaning": library.best,
            "words": by_words,
            "both (--hybrid)": partial(library.best, hybrid=True),
        }
        yield f"| question | questions | {' | '.join(ways)} |\n|---|---|{'---|' * len(ways)}"
        for kind, questions in kinds.items():
            asked = {text: wanted for text, wanted in questions if 0 < len(wanted) <= _MOST_RIGHT}
            cells = []
            for way in ways.values():
                try:
                    rankings = way(list(asked))
                except (AttributeError, TypeError):  # this version has no such way
                    cells.append("not measured")
                    continue
                values = [recall_at(best, wanted) for best, wanted in zip(rankings, asked.values(), strict=True)]
                cells.append(f"{sum(values) / max(len(values), 1):.3f}")
            yield f"| {kind} | {len(asked)} | {' | '.join(cells)} |"


# -- sentences


def sentences(library: Library) -> Iterator[str]:
    """A row for each kind of sentence that `--smart` reads: the photos that meet the facts in it."""
    yield "| sentence | for example | sentences | precision | recall |\n|---|---|---|---|---|"
    for kind, asked in _sentences(library.truth.photos).items():
        tally = Tally()
        for sentence, wanted in asked:
            understood, _ = library.engine.understand(Query((Term(sentence),), smart=True), _TODAY)
            hits = library.engine.search(replace(understood, terms=()), top_k=ALL) if understood.filters else []
            found = {library.path(hit.record) for hit in hits}
            tally.add(found, wanted)
            library.show(f"--smart {sentence}", found, wanted)
        yield f"| {kind} | {asked[0][0]} | {len(asked)} | {tally.precision:.3f} | {tally.recall:.3f} |"
    captions = sorted({caption for photo in library.truth.photos for caption in photo.captions})
    misread = []
    for caption in captions:
        understood, _ = library.engine.understand(Query((Term(caption),), smart=True), _TODAY)
        if understood.filters:
            misread.append(caption)
            library.show("--smart", [caption], [])
    yield f"\nOf {len(captions):,} captions, which have no facts, {len(misread)} were given filters."


def _sentences(photos: Sequence[Photo]) -> dict[str, list[tuple[str, set[str]]]]:
    """Sentences with the photos that they are about."""

    def taken(start: datetime, end: datetime) -> set[str]:
        return {photo.path for photo in photos if photo.taken_at and start <= photo.taken_at < end}

    def in_city(number: int) -> set[str]:
        names = {CITIES[number].name}
        return {photo.path for photo in photos if photo.city is not None and CITIES[photo.city].name in names}

    random = Random(0)
    months, seasons, days, people, places, both = [], [], [], [], [], []
    for _ in range(60):
        year, month = random.randint(2008, 2024), random.randint(1, 12)
        subject, language = random.choice(tuple(SUBJECTS)), random.choice(tuple(_MONTHS))
        end = datetime(year + month // 12, month % 12 + 1, 1)
        sentence = _MONTHS[language][0].format(month=_MONTHS[language][1].split()[month - 1], year=year)
        months.append((f"{subject} {sentence}", taken(datetime(year, month, 1), end)))
    for year in range(2008, 2025):
        summer = taken(datetime(year, 6, 1), datetime(year, 9, 1))
        seasons += [(f"beach in summer {year}", summer), (f"Hunde am Strand im Sommer {year}", summer)]
        days.append((f"Christmas {year}", taken(datetime(year, 12, 24), datetime(year, 12, 27))))
    days += [
        ("snow two years ago", taken(datetime(2022, 1, 1), datetime(2023, 1, 1))),
        ("a dog last summer", taken(datetime(2024, 6, 1), datetime(2024, 9, 1))),
        ("ein Hund letzten Sommer", taken(datetime(2024, 6, 1), datetime(2024, 9, 1))),
        ("bicycle between 2012 and 2014", taken(datetime(2012, 1, 1), datetime(2015, 1, 1))),
        ("vélo entre 2012 et 2014", taken(datetime(2012, 1, 1), datetime(2015, 1, 1))),
        ("perro el verano pasado", taken(datetime(2024, 6, 1), datetime(2024, 9, 1))),
    ]
    for name in PEOPLE:
        shown = {photo.path for photo in photos if name in photo.people}
        people.append((f"{name} with a {random.choice(tuple(SUBJECTS))}", shown))
        number = random.choice([photo.city for photo in photos if photo.city is not None and name in photo.people])
        both.append((f"{name} in {CITIES[number].name}", shown & in_city(number)))
    for number, city in enumerate(CITIES):
        if in_city(number):
            places.append((f"{random.choice(tuple(SUBJECTS))} in {city.name}", in_city(number)))
    return {
        "a month, in four languages": months,
        "a summer": seasons,
        "a feast or a relative time": days,
        "a name": people,
        "a city": places,
        "a name and a city": both,
    }


PARTS: dict[str, Callable[[Library], Iterator[str]]] = {
    "facts": facts, "filters": filtered, "texts": texts, "ranking": ranking, "sentences": sentences,
}  # fmt: skip


def main() -> None:
    """Index the library, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", type=Path)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; default: all")
    parser.add_argument("--index", type=Path, help="default: the library's name and -index, beside it")
    parser.add_argument("--model", default="mini")
    parser.add_argument("--ocr", action="store_true", help="read the text in pictures, which takes long the first time")
    parser.add_argument("--missing", type=int, default=0, metavar="N", help="name N faults of each answer")
    options = parser.parse_args()
    if not (options.library / TRUTH_FILE).exists():
        parser.error(f"{options.library} has no {TRUTH_FILE}; make a library with make_library.py")
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    folder: Path = options.library.resolve()
    index = options.index or folder.with_name(f"{folder.name}-index")
    with SearchEngine(index, model=options.model) as engine:
        report = engine.index(folder, read_text=options.ocr or None)
        print(f"{report.added:,} added, {report.unchanged:,} unchanged, {report.failed} failed", file=sys.stderr)
        records, _ = engine.browse(top_k=ALL)
        truth = read_truth(folder)
        library = Library(folder, truth, engine, {}, options.missing)
        library.records = {library.path(record): record for record in records}
        for name in options.parts or PARTS:
            print(f"{name} ...", file=sys.stderr)
            for line in PARTS[name](library):
                print(line, flush=True)
            print()


if __name__ == "__main__":
    main()
