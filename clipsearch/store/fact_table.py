"""The catalog's table of facts: what is written in and beside photos, and the texts that `--text` searches.

A row of `facts` has all that is known. The tables of tags (keywords and people) and the full-text table are made from it, in
the same transaction, and can be made again. The full-text table is only ever added to: each version of a photo's texts has a
number of its own there, and numbers that no row names any more are passed over.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any, Literal, TypeAlias, TypeGuard, cast, get_args

from clipsearch.errors import CollectionDamaged
from clipsearch.store.database import Database
from clipsearch.store.filters import Sql, composed
from clipsearch.store.full_text import FOLDING, Phrase, column, expression
from clipsearch.store.rows import FACT_COLUMNS, check_of
from clipsearch.store.validation import MOST_IDS, WHAT_TO_DO, as_written, belong_to_no_image, octets, text, whole
from clipsearch.types import DateSource, ImageInfo

FACTS_FORMAT = 8
"""The first format of an index that has this table."""

FOLDED = "full text"
"""The key in `meta` with how the texts were made."""


TagField: TypeAlias = Literal["keyword", "person"]
CountableFact: TypeAlias = Literal["keyword", "person", "rating", "label", "source", "place"]


def is_fact(value: str) -> TypeGuard[CountableFact]:
    """Whether images are counted by a value of this table."""
    return value in get_args(CountableFact)


_VERSION_BITS = 12  # of a number in the full-text table: the lower bits are the version of the image's texts
_LAST_VERSION = (1 << _VERSION_BITS) - 1
_MANY = 500  # values bound in one statement
_MOST_RANKED = 100  # words of a text by which texts are ranked; SQLite joins 500 selections at most
_FEW_OUTDATED = 1_000  # texts in the full-text table that no photo has any more; with fewer, it is not made anew
_WEIGHTS = "4.0, 2.0, 1.0"  # of the full-text table's columns, in bm25
_COUNTED: dict[CountableFact, str] = {"rating": "rating", "label": "label", "source": "taken_from", "place": "place"}
_SOURCES = get_args(DateSource)
_LINE = "\n"  # between keywords; `clean_caption` leaves none inside


class FactTable:
    """A row for each file whose facts were read, and what makes them quick to find."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._exists = database.version >= FACTS_FORMAT
        self.outdated_texts = 0  # left in the full-text table by this process

    # -- rows

    def put(self, image_id: int, info: ImageInfo, read_from: str | None, *, new_caption: bool = False) -> None:
        """Replace what is known of an image.

        `read_from` names what it was read from; "" if it must be read again, and None if that is as before. `new_caption` says
        that its caption may be another than before.
        """
        before = self._rows([image_id]).get(image_id)
        values: list[Any] = [
            image_id,
            before[1] if read_from is None and before else read_from or "",
            info.taken_from,
            info.title,
            info.description,
            _LINE.join(info.keywords) or None,
            _LINE.join(info.people) or None,
            info.rating,
            info.label,
            _place_of(info.gps) if info.place is None and info.gps else info.place,
            info.text,
        ]
        columns = _texts(values, info.caption)
        if before and not new_caption and _texts(before, info.caption) == columns:
            version = before[-1]
        else:
            version = self._add_texts(image_id, columns)
            self.outdated_texts += bool(before and before[-1])
        values.append(version)
        marks = ", ".join("?" * (len(values) + 1))
        sql = f"INSERT OR REPLACE INTO facts ({FACT_COLUMNS}, row_check) VALUES ({marks})"
        self._db.execute(sql, (*values, check_of(*values)))
        self._put_tags(image_id, _tags(before) if before else set(), _tags(values))

    def key(self, image_id: int) -> str:
        """What an image's facts were read from; "" if they are to be read again."""
        row = self._rows([image_id]).get(image_id)
        return str(row[1]) if row else ""

    def read_again(self, image_id: int) -> None:
        """Have an image's facts be read again by the next run of `index`."""
        for row in self._rows([image_id]).values():
            row[1] = ""
            self._db.execute(
                "UPDATE facts SET read_from = '', row_check = ? WHERE image_id = ?", (check_of(*row), image_id)
            )

    def remove(self, ids: Sequence[int]) -> None:
        """Forget what is known of images."""
        for image_id, row in self._rows(ids).items():
            self._put_tags(image_id, _tags(row), set())
            self.outdated_texts += row[-1] > 0
        self._db.executemany("DELETE FROM facts WHERE image_id = ?", [(int(image_id),) for image_id in ids])

    def of(self, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
        """image_id → what its row says, as fields of an ImageInfo. CollectionDamaged if a row is not as it was written."""
        facts = {}
        for image_id, (*values, check) in self._checked_rows(ids).items():
            if check_of(*values) != check:
                raise CollectionDamaged(f"the catalog's facts of image {image_id} are damaged; {WHAT_TO_DO}")
            with as_written(f"the catalog's facts of image {image_id}"):
                facts[image_id] = _fields(values)
        return facts

    def read_from(self, root_id: int, usual: str) -> dict[str, dict[str, str]]:
        """Folder → name → what an image's facts were read from, if that is not `usual`; "" for those not read yet."""
        found: dict[str, dict[str, str]] = {}
        if not self._exists:
            return found
        sql = (
            "SELECT folder, name, read_from FROM (SELECT image_id, read_from FROM facts WHERE read_from <> ?) "
            "CROSS JOIN images USING (image_id) WHERE root_id = ?"
        )
        rows = self._db.execute(sql, (usual, root_id)).fetchall()
        if self._counts("images") != self._counts("facts"):
            sql = (
                "SELECT folder, name, '' FROM images WHERE root_id = ? AND image_id NOT IN (SELECT image_id FROM facts)"
            )
            rows += self._db.execute(sql, (root_id,)).fetchall()
        with as_written("the catalog's table of facts"):
            for folder, name, key in rows:
                found.setdefault(os.fsdecode(octets(folder)), {})[os.fsdecode(octets(name))] = text(key)
        return found

    # -- texts

    def ranking(self, wanted: Sequence[Phrase], where: Sql, limit: int, least: int = 1) -> list[int]:
        """The images whose texts have at least so many of some phrases, best by BM25 first. `where` is SQL over the images."""
        if not self._exists:
            return []
        wanted = wanted[:_MOST_RANKED]
        least = min(least, len(wanted))
        enough, counted = "", []
        if least > 1:
            counted = [expression((phrase,)) for phrase in wanted]
            each = " UNION ALL ".join(["SELECT rowid AS found FROM full_text WHERE full_text MATCH ?"] * len(counted))
            # The + keeps SQLite from asking the full-text table for each of these numbers alone.
            enough = (
                f"AND +full_text.rowid IN (SELECT found FROM ({each}) GROUP BY found HAVING COUNT(*) >= {int(least)}) "
            )
        sql = (
            f"SELECT facts.image_id FROM full_text JOIN facts ON facts.image_id = full_text.rowid >> {_VERSION_BITS} "
            f"AND facts.text_version = full_text.rowid & {_LAST_VERSION} WHERE full_text MATCH ? "
            f"AND facts.image_id IN (SELECT image_id FROM images WHERE {where[0]}) "
            f"{enough}ORDER BY bm25(full_text, {_WEIGHTS}), facts.image_id LIMIT {int(limit)}"
        )
        rows = self._db.execute(sql, (expression(wanted, any_of=True), *where[1], *counted))
        return [whole(image_id, 1, MOST_IDS) for (image_id,) in rows]

    def is_mostly_outdated(self) -> bool:
        """Whether the full-text table has more texts that no photo has any more than others."""
        if not self.outdated_texts:
            return False
        stored = self._counts("full_text_docsize")
        (current,) = self._db.execute("SELECT COUNT(*) FROM facts WHERE text_version > 0").fetchone()
        return stored - int(current) > max(_FEW_OUTDATED, int(current))

    def derive(self) -> None:
        """Make the tags and the full-text table anew from the facts."""
        for sql in (
            "DELETE FROM image_tags",
            "DELETE FROM tags",
            "INSERT INTO full_text (full_text) VALUES ('delete-all')",
        ):
            self._db.execute(sql)
        for row, caption in self._with_captions():
            version = self._add_texts(row[0], _texts(row, caption))
            if row[-1] != version:
                check = check_of(*row[:-1], version)
                sql = "UPDATE facts SET text_version = ?, row_check = ? WHERE image_id = ?"
                self._db.execute(sql, (version, check, row[0]))
            self._put_tags(row[0], set(), _tags(row))
        self.outdated_texts = 0

    # -- counts

    def count_by(self, value: CountableFact, where: Sql | None) -> list[tuple[Any, int]]:
        """How many images share each value, in the value's order: (value, count). `where` is SQL over the images."""
        if not self._exists:
            return []
        among, values = (
            (f" AND image_id IN (SELECT image_id FROM images WHERE {where[0]})", where[1]) if where else ("", [])
        )
        if value in ("keyword", "person"):
            sql = (
                "SELECT value, COUNT(*) FROM tags CROSS JOIN image_tags USING (tag_id) "
                f"WHERE field = ?{among} GROUP BY tag_id ORDER BY folded"
            )
            rows = self._db.execute(sql, (value, *values)).fetchall()
        else:
            name = _COUNTED[value]
            sql = f"SELECT {name}, COUNT(*) FROM facts WHERE {name} IS NOT NULL{among} GROUP BY {name} ORDER BY {name}"
            rows = self._db.execute(sql, values).fetchall()
        with as_written(f"the catalog's table of facts ({value})"):
            return [(whole(cell) if value == "rating" else text(cell), whole(count, 0)) for cell, count in rows]

    # -- damage

    def problems(self) -> Iterator[tuple[str, str]]:
        """What is not as it was written: (a table and a place in it, what)."""
        if not self._exists:
            return
        sound = True
        for *values, check in self._db.execute(f"SELECT {FACT_COLUMNS}, row_check FROM facts ORDER BY image_id"):
            try:
                if check_of(*values) != check:
                    raise CollectionDamaged("what its file says of it is not as it was written")
                with as_written("it"):
                    _fields(values)
            except CollectionDamaged as error:
                sound = False
                yield f"facts, image {values[0]}", str(error)
        (stray,) = self._db.execute(
            "SELECT COUNT(*) FROM facts WHERE image_id NOT IN (SELECT image_id FROM images)"
        ).fetchone()
        if stray:
            yield "facts", belong_to_no_image(stray, "row")
        if sound:
            yield from self._derived_problems()

    def _derived_problems(self) -> Iterator[tuple[str, str]]:
        """Compare the tags and the full-text table with what the facts make them, by sums that no order changes."""
        tags, places = 0, 0
        folded = self._db.execute("SELECT value FROM meta WHERE key = ?", (FOLDED,)).fetchone()
        for row, caption in self._with_captions():
            tags += sum(zlib.crc32(ascii((row[0], *tag[:2])).encode()) for tag in _tags(row))
            if row[-1]:
                number = row[0] << _VERSION_BITS | row[-1]
                for name, content in zip(_TEXT_COLUMNS, _texts(row, caption), strict=True):
                    places += sum(
                        zlib.crc32(f"{word} {number} {name} {offset}".encode())
                        for offset, word in enumerate(content.split())
                    )
        for image_id, field, value in self._db.execute(
            "SELECT image_id, field, folded FROM image_tags LEFT JOIN tags USING (tag_id)"
        ):
            tags -= zlib.crc32(ascii((image_id, field, value)).encode())
        if tags:
            yield "image_tags", "the keywords and people there are not those of the photos' facts"
        if folded != (how_texts_are_made(),):
            return  # the next writer makes it anew
        current = {
            row[0] << _VERSION_BITS | row[1] for row in self._db.execute("SELECT image_id, text_version FROM facts")
        }
        self._db.execute(
            "CREATE VIRTUAL TABLE IF NOT EXISTS temp.text_places USING fts5vocab(main, full_text, instance)"
        )
        for word, number, name, offset in self._db.execute('SELECT term, doc, col, "offset" FROM temp.text_places'):
            if number in current:
                places -= _check_of_place(word, number, name, offset)
        if places:
            yield "full_text", "the words there are not those of the photos' texts"

    # -- inside

    def _rows(self, ids: Sequence[int]) -> dict[int, list[Any]]:
        """image_id → the row, without its checksum."""
        return {image_id: row[:-1] for image_id, row in self._checked_rows(ids).items()}

    def _checked_rows(self, ids: Sequence[int]) -> dict[int, list[Any]]:
        rows: dict[int, list[Any]] = {}
        if self._exists:
            for start in range(0, len(ids), _MANY):
                part = [int(image_id) for image_id in ids[start : start + _MANY]]
                sql = f"SELECT {FACT_COLUMNS}, row_check FROM facts WHERE image_id IN ({','.join('?' * len(part))})"
                rows |= {row[0]: list(row) for row in self._db.execute(sql, part)}
        return rows

    def _with_captions(self) -> Iterator[tuple[list[Any], str | None]]:
        """Every row, without its checksum, and the image's caption."""
        columns = ", ".join(f"facts.{name}" for name in FACT_COLUMNS.split(", "))
        rest = f"FROM facts JOIN images USING (image_id) WHERE facts.image_id > ? ORDER BY 1 LIMIT {_MANY}"
        sql = f"SELECT {columns}, caption {rest}"
        last = 0
        while rows := self._db.execute(sql, (last,)).fetchall():  # in parts: the caller changes the table meanwhile
            for *row, caption in rows:
                yield row, caption
            last = rows[-1][0]

    def _counts(self, table: str) -> int:
        return int(self._db.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0])

    def _add_texts(self, image_id: int, columns: Sequence[str]) -> int:
        """Add texts of an image to the full-text table; their version there, or 0 if it has no texts."""
        if not any(columns):
            return 0
        first = image_id << _VERSION_BITS
        sql = (
            "SELECT MAX(id) FROM full_text_docsize WHERE id BETWEEN ? AND ?"  # also of texts that no row names any more
        )
        (last,) = self._db.execute(sql, (first, first | _LAST_VERSION)).fetchone()
        version = 1 if last is None else (int(last) & _LAST_VERSION) + 1
        if version > _LAST_VERSION:
            self.derive()
            return self._add_texts(image_id, columns)
        sql = f"INSERT INTO full_text (rowid, {', '.join(_TEXT_COLUMNS)}) VALUES (?, ?, ?, ?)"
        self._db.execute(sql, (first | version, *columns))
        return version

    def _put_tags(self, image_id: int, before: set[_Tag], after: set[_Tag]) -> None:
        known = {tag[:2] for tag in before}
        wanted = {tag[:2]: tag for tag in after}
        find = "SELECT tag_id FROM tags WHERE field = ? AND folded = ?"
        for field, folded in known - wanted.keys():
            self._db.execute(
                f"DELETE FROM image_tags WHERE image_id = ? AND tag_id = ({find})", (image_id, field, folded)
            )
        for key in sorted(wanted.keys() - known):
            self._db.execute("INSERT OR IGNORE INTO tags (field, folded, value) VALUES (?, ?, ?)", wanted[key])
            self._db.execute(f"INSERT OR IGNORE INTO image_tags SELECT tag_id, ? FROM ({find})", (image_id, *key))


_Tag: TypeAlias = tuple[str, str, str]
"""A field, the folded value and the value itself."""

_TEXT_COLUMNS = ("names", "texts", "words")


def _check_of_place(word: str, number: int, name: str, offset: int) -> int:
    """A checksum of where a word is: in which column of which text, and where in it."""
    return zlib.crc32(f"{word} {number} {name} {offset}".encode())


def is_plausible_row(row: Sequence[Any]) -> bool:
    """Whether a row of facts, with its checksum, is as it was written and could come from clipsearch."""
    with suppress(CollectionDamaged), as_written():
        return check_of(*row[:-1]) == row[-1] and bool(_fields(row[:-1]))
    return False


def folded_tag(value: str) -> str:
    """A keyword or a name as two of them are compared: in lower case, with composed accents."""
    return composed(value).casefold()


def _lines(stored: Any) -> list[str]:
    """The keywords or people in a column; none if damage has put something else there."""
    return stored.split(_LINE) if isinstance(stored, str) else []


def _tags(row: Sequence[Any]) -> set[_Tag]:
    return {
        (field, folded_tag(value), value)
        for field, stored in (("keyword", row[5]), ("person", row[6]))
        for value in _lines(stored)
    }


def _texts(row: Sequence[Any], caption: Any) -> tuple[str, str, str]:
    """The columns of the full-text table: titles, keywords, people and places; descriptions; what is read in the picture."""
    _, _, _, title, description, keywords, people, _, _, place, words, *_ = row
    places = _place_texts(place) if isinstance(place, str) else ()
    names = [title, *_lines(keywords), *_lines(people), *places]
    return column(names), column([description, caption]), column([words])


def _place_of(gps: tuple[float, float]) -> str | None:
    from clipsearch import gazetteer  # not for a plain query

    return gazetteer.place_of(gps)


@lru_cache(10_000)
def _place_texts(code: str) -> tuple[str, ...]:
    from clipsearch import gazetteer

    return gazetteer.texts(code)


def how_texts_are_made() -> str:
    """How texts are made today. Those that were made in another way are made again by the next writer."""
    from clipsearch import gazetteer

    return f"{FOLDING}, places {gazetteer.VERSION}"


def _fields(values: Sequence[Any]) -> dict[str, Any]:
    """What a row says, as fields of an ImageInfo. ValueError or the like if clipsearch never writes such a row."""
    image_id, read_from, taken_from, title, description, keywords, people, rating, label, place, words, version = values
    whole(image_id, 1, MOST_IDS)
    text(read_from)
    whole(version, 0, _LAST_VERSION)
    if taken_from is not None and taken_from not in _SOURCES:
        raise ValueError("no source of a date")
    return {
        "taken_from": cast("DateSource | None", taken_from),
        "title": None if title is None else text(title),
        "description": None if description is None else text(description),
        "keywords": tuple(text(keywords).split(_LINE)) if keywords is not None else (),
        "people": tuple(text(people).split(_LINE)) if people is not None else (),
        "rating": None if rating is None else whole(rating, -1, 5) or None,  # 0 stars is unrated
        "label": None if label is None else text(label),
        "place": None if place is None else text(place),
        "text": None if words is None else text(words),
    }
