"""Several indexes that answer as one. A photo that is in more than one of them counts once.

It is that of the first index that has it, or, with a condition, of the first index where it meets that: its name, folder,
keywords and rating may be others there.
"""

from __future__ import annotations

import inspect
import itertools
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np

from clipsearch._internal.commands import command
from clipsearch.conditions import Among, Condition
from clipsearch.errors import CollectionDamaged, ModelMismatch, QueryError
from clipsearch.store.approximate.info import ApproximateInfo
from clipsearch.store.collection import Collection
from clipsearch.store.filters import require_shallow, with_albums, with_leaves
from clipsearch.store.image_table import Countable, Listed
from clipsearch.store.validation import what_to_do, without_advice
from clipsearch.types import Embeddings, Fingerprint, Ids, ImageRecord, Order, Scores

ID_STEP = 1 << 40
"""An image has the id of its own index, plus this many for each index before. JSON and JavaScript keep such numbers exactly."""

_T = TypeVar("_T")
_Ranking: TypeAlias = "list[tuple[float, ImageRecord]]"


@dataclass(frozen=True, slots=True)
class SeveralSelections:
    """The ids of the images that meet a condition, int64 (n,), ascending: an array for each index."""

    parts: tuple[Ids, ...]

    def __len__(self) -> int:
        return sum(map(len, self.parts))


@contextmanager
def _naming(folder: str) -> Iterator[None]:
    """Have a damage of an index name it, and propose commands for it: the nearest index may be another one."""
    try:
        yield
    except CollectionDamaged as error:
        problem = without_advice(str(error))
        if problem == str(error):  # its advice is its own, and it was named
            raise
        start = "" if folder in problem else f"the index at {folder}: "
        raise CollectionDamaged(f"{start}{problem}; {what_to_do(folder)}") from error


class _Member(Collection):
    """One of several indexes. What it says of damage names it."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        with _naming(os.fspath(folder)):
            super().__init__(folder)

    def __len__(self) -> int:
        with _naming(self.name):
            return super().__len__()

    def __getattribute__(self, attribute: str) -> Any:
        """Any method or property; only a generator's items would come without the name."""
        if attribute.startswith("_") or attribute in ("folder", "name"):
            return super().__getattribute__(attribute)
        with _naming(self.name):
            value = super().__getattribute__(attribute)
        return _naming(self.name)(value) if inspect.ismethod(value) else value


class SeveralCollections:
    """Indexes of one model, open for reading, with the questions and answers of one. `close` closes them all.

    Each index answers from one committed state. ModelMismatch if their embeddings cannot be compared. Ids are unambiguous, and
    stay as they are while the list of indexes does.
    """

    def __init__(self, folders: Sequence[str | os.PathLike[str]]) -> None:
        self._members: list[Collection] = []
        try:
            for folder in folders:
                self._members.append(_Member(folder))
            self._require_one_model()
        except BaseException:
            self.close()
            raise
        self._versions: tuple[int, ...] = ()
        self._changes = 0  # how often another state was seen
        self._repeated: tuple[dict[int, tuple[int, ...]], ...] = ()
        self._repeated_in: tuple[int, ...] | None = None  # the versions that `_repeated` is of

    def close(self) -> None:
        """Let go of the files."""
        for member in self._members:
            member.close()

    # -- what the indexes are

    @property
    def name(self) -> str:
        """The index folders."""
        return ", ".join(self.names)

    @property
    def names(self) -> tuple[str, ...]:
        """Each index folder."""
        return tuple(member.name for member in self._members)

    @property
    def fingerprint(self) -> Fingerprint | None:
        """The model of the embeddings; None if all indexes are empty. ModelMismatch if they cannot be compared."""
        self._require_one_model()
        return next((known for member in self._members if (known := member.fingerprint)), None)

    @property
    def text_model(self) -> str | None:
        """The other model for texts that the indexes remember. ModelMismatch if they remember different ones."""
        by_model = {member.text_model: member for member in self._members if member.fingerprint}
        if len(by_model) > 1:
            named = "; ".join(f"{member.name}: {model or 'its own model'}" for model, member in by_model.items())
            raise ModelMismatch(
                f"these indexes remember different models for texts ({named}); choose one for this search with `text_model`"
            )
        return next(iter(by_model), None)

    @property
    def version(self) -> int:
        """A number that changes with every commit to one of the indexes."""
        versions = tuple(member.version for member in self._members)
        if versions != self._versions:
            self._versions = versions
            self._changes += 1
        return self._changes

    @property
    def null_scores(self) -> None:
        """None: the distribution of everyday texts is measured over all indexes together."""

    def require(self, fingerprint: Fingerprint) -> None:
        """Raise ModelMismatch unless embeddings of this model belong here."""
        for member in self._members:
            if member.fingerprint:
                member.require(fingerprint)

    def _require_one_model(self) -> None:
        known = [(member, fingerprint) for member in self._members if (fingerprint := member.fingerprint)]
        for member, fingerprint in known[1:]:
            first, other = known[0]
            if not other.is_comparable(fingerprint):
                change = command("index", "--model", other.model, index=member.name)
                raise ModelMismatch(
                    f"these indexes cannot be searched together: {first.name} was made with the model {other.model!r}, and "
                    f"{member.name} with {fingerprint.model!r}, and their embeddings cannot be compared. Search them one by "
                    f"one, or change the model of the second: `{change}`"
                )

    # -- images

    def __len__(self) -> int:
        return sum(map(len, self._members)) - sum(map(len, self._copies()))

    def records(self, ids: Sequence[int]) -> dict[int, ImageRecord]:
        """image_id → record, for those that exist."""
        records = {}
        for number, own in self._by_member(ids).items():
            for record in self._members[number].records(own).values():
                record = self._renumbered(number, record)
                records[record.image_id] = record
        return records

    def select(self, condition: Condition) -> SeveralSelections:
        """The images that meet a condition."""
        return self._select([self._of_member(number, condition) for number in range(len(self._members))])[0]

    def _select(self, conditions: Sequence[Condition]) -> tuple[SeveralSelections, list[list[int]]]:
        """The images that meet a condition, given for each index, and for each index those that an index before it has too.

        An image that does not meet the condition hides no copy of it that does.
        """
        parts, left_out = list[Ids](), list[list[int]]()
        met = set[int]()  # those of the indexes before, by their ids here
        later = self._repeats()
        originals = set[int]().union(*{id(before): before for repeats in later for before in repeats.values()}.values())
        for number, (member, condition, repeats) in enumerate(zip(self._members, conditions, later, strict=True)):
            ids = member.select(condition)
            copies = (
                [one for one in ids.tolist() if any(map(met.__contains__, repeats.get(one, ())))] if repeats else []
            )
            parts.append(np.setdiff1d(ids, copies, assume_unique=True) if copies else ids)
            left_out.append(copies)
            if originals:
                met.update(originals.intersection((ids + number * ID_STEP).tolist()))
        return SeveralSelections(tuple(parts)), left_out

    def _of_member(self, number: int, condition: Condition) -> Condition:
        """The condition for one of the indexes, with its own ids.

        Its photos are in an album if any of the indexes has them in one of that name. QueryError if none has.
        """
        member = self._members[number]

        def album(name: str) -> list[int]:
            files, problems = list[tuple[str, str]](), list[QueryError]()
            for other in self._members:
                try:
                    files += other.album_files(name)
                except QueryError as error:
                    problems.append(error)
            if len(problems) == len(self._members):
                raise problems[0]
            return member.ids_of_files(files)

        def own(leaf: Condition) -> Condition:
            return Among(tuple(self._by_member(leaf.ids).get(number, ()))) if isinstance(leaf, Among) else leaf

        require_shallow(condition)
        return with_albums(with_leaves(condition, own), album)

    def same_content(self, content_hash: str) -> list[int]:
        """The images whose file has this sha256 (hexadecimal), those of the first index first, oldest first."""
        return [
            number * ID_STEP + image_id
            for number, member in enumerate(self._members)
            for image_id in member.same_content(content_hash)
        ]

    def browse(
        self, condition: Condition | None, order: Order, offset: int, count: int
    ) -> tuple[list[ImageRecord], int]:
        """`count` of the images that meet a condition, or of all, after the first `offset`; and how many there are in all."""

        def read() -> tuple[list[ImageRecord], int]:
            records: list[ImageRecord] = []
            total = 0
            conditions, left_out = self._conditions_and_copies(condition)
            for number, member in enumerate(self._members):
                own_condition = conditions[number]
                known = set(left_out[number])
                wanted = taken = offset + count
                while True:
                    listed, images = member.browse(own_condition, order, 0, taken)
                    own = [record for record in listed if record.image_id not in known]
                    if len(own) >= wanted or len(listed) < taken:
                        break
                    taken *= 2
                total += images - len(known)
                records += [self._renumbered(number, record) for record in own[:wanted]]
            return _in_order(records, order)[offset : offset + count], total

        return self.at_one_state(read)

    def count_by(self, value: Countable) -> list[tuple[Any, ...]]:
        """How many images share each value: rows of the value and a count, in its order. Copies in other indexes count, too."""
        counts: Counter[tuple[Any, ...]] = Counter()
        for member in self._members:
            for *key, count in member.count_by(value):
                counts[tuple(key)] += count
        return [(*key, counts[key]) for key in sorted(counts)]

    def values_of(self, field: Listed) -> list[str]:
        """The values that photos have of a fact, those of the first index before others; folders as absolute paths."""
        return list(dict.fromkeys(value for member in self._members for value in member.values_of(field)))

    def _copies(self) -> list[Ids]:
        """For each index the images, int64 (n,), ascending, that an index before it has."""
        return [np.fromiter(repeats, np.int64, len(repeats)) for repeats in self._repeats()]

    def _repeats(self) -> tuple[dict[int, tuple[int, ...]], ...]:
        """For each index its images that one before it has, by path or content: own id → ids here of those before."""
        versions = tuple(member.version for member in self._members)
        if self._repeated_in != versions:
            overlap = _overlapping([root for member in self._members for root in member.roots().values()])
            seen: dict[bytes | str, list[int]] = {}
            repeated = []
            for number, member in enumerate(self._members):
                own: list[tuple[int, bytes | str]] = [*member.contents(), *(member.paths() if overlap else ())]
                # One tuple for all images of a content: thousands of files may be equal, as blank pages are.
                before = {key: tuple(seen[key]) for key in {key for _, key in own} & seen.keys()}
                repeats: dict[int, tuple[int, ...]] = {}
                for image_id, key in own:
                    known = repeats.get(image_id, ())
                    if key in before and before[key][0] not in known:
                        repeats[image_id] = known + before[key]
                for image_id, key in own if number < len(self._members) - 1 else ():
                    seen.setdefault(key, []).append(number * ID_STEP + image_id)
                repeated.append(dict(sorted(repeats.items())))
            self._repeated, self._repeated_in = tuple(repeated), versions
        return self._repeated

    def _with_copies(self, ids: Sequence[int]) -> set[int]:
        """Ids, and those of the same photos in the other indexes."""
        wanted = set(ids)
        for number, repeats in enumerate(self._repeats()) if wanted else ():
            for own, before in repeats.items():
                same = {number * ID_STEP + own, *before}
                if not wanted.isdisjoint(same):
                    wanted |= same
        return wanted

    def _conditions_and_copies(self, condition: Condition | None) -> tuple[Sequence[Condition | None], list[list[int]]]:
        """For each index a condition for it, and the images that are left out since an index before it has them."""
        if condition is None:
            return [None] * len(self._members), [copies.tolist() for copies in self._copies()]
        conditions = [self._of_member(number, condition) for number in range(len(self._members))]
        if not any(self._repeats()):
            return conditions, [[] for _ in self._members]
        return conditions, self._select(conditions)[1]

    # -- vectors

    def vectors(self, ids: Sequence[int]) -> Embeddings:
        """The unit vectors (n, dim) of images, in their order. KeyError if one has none."""
        wanted = np.array(ids, np.int64)
        fingerprint = self.fingerprint
        vectors = np.empty((len(wanted), fingerprint.dim if fingerprint else 0), np.float32)
        numbers = wanted // ID_STEP
        for number in np.unique(numbers).tolist():
            if not 0 <= number < len(self._members):
                raise KeyError(int(wanted[numbers == number][0]))
            here = numbers == number
            vectors[here] = self._members[number].vectors((wanted[here] % ID_STEP).tolist())
        return vectors

    def sample_vectors(self, count: int) -> Embeddings:
        """The unit vectors (n, dim) of about `count` pictures from all of the indexes, or of all; the same ones each time."""
        total, parts = max(1, len(self)), []
        for member, copies in zip(self._members, self._copies(), strict=True):
            own = len(member) - len(copies)
            share = max(1, count * own // total)
            if own and len(copies):
                ids = np.setdiff1d(member.ids(), copies, assume_unique=True)
                parts.append(member.vectors(ids[:: -(-own // share)].tolist()))
            elif own:
                parts.append(member.sample_vectors(share))
        return np.concatenate(parts)

    def scan_bytes(self, considered: int) -> int:
        """How many bytes of vectors a search reads first, if that many images are allowed, evenly from all of the indexes."""
        total = max(1, len(self))
        return sum(member.scan_bytes(considered * len(member) // total) for member in self._members)

    def search(
        self,
        queries: Embeddings,
        top_k: int,
        allowed: SeveralSelections | None = None,
        without: Sequence[int] = (),
        *,
        exact: bool = False,
        all_moments: bool = False,
    ) -> list[_Ranking]:
        """`Collection.search` over all of the indexes: one ranking, by exact cosines, ties in the order of their paths."""
        answers = [
            self._members[number].search(queries, top_k, part, left_out, exact=exact, all_moments=all_moments)
            for number, part, left_out in self._shares(allowed, without)
        ]
        return [self._merged(rankings, top_k) for rankings in self._for_each_query(answers, len(queries))]

    def search_with_best(
        self,
        queries: Embeddings,
        top_k: int,
        count: int,
        allowed: SeveralSelections | None = None,
        without: Sequence[int] = (),
        *,
        exact: bool = False,
    ) -> list[tuple[_Ranking, Scores]]:
        """`search`, and the `count` highest cosines among the same images, by one scan."""
        answers = [
            self._members[number].search_with_best(queries, top_k, count, part, left_out, exact=exact)
            for number, part, left_out in self._shares(allowed, without)
        ]
        return [
            (self._merged([ranking for ranking, _ in both], top_k), _highest([best for _, best in both], count))
            for both in self._for_each_query(answers, len(queries))
        ]

    def best_scores(
        self, queries: Embeddings, count: int, allowed: SeveralSelections | None = None, *, exact: bool = False
    ) -> list[Scores]:
        """For each of the queries (n, dim) its `count` highest cosines over all images, or the allowed ones, best first."""
        answers = []
        for number, part, left_out in self._shares(allowed, ()):
            if left_out:
                pairs = self._members[number].search_with_best(queries, 1, count, part, left_out, exact=exact)
                answers.append([best for _, best in pairs])
            else:
                answers.append(self._members[number].best_scores(queries, count, part, exact=exact))
        return [_highest(best, count) for best in self._for_each_query(answers, len(queries))]

    def approximation(
        self, top_k: int, allowed: SeveralSelections | None = None, *, exact: bool = False
    ) -> ApproximateInfo | None:
        """The approximate index with the lowest recall of those that `search` would use; None if it would be exact."""
        parts = allowed.parts if allowed is not None else itertools.repeat(None)
        infos = [
            member.approximation(top_k, part, exact=exact) for member, part in zip(self._members, parts, strict=False)
        ]
        known = [info for info in infos if info]
        return min(known, key=lambda info: info.summary["recall"], default=None)

    def text_search(
        self,
        query: Embeddings,
        text: str,
        condition: Condition | None = None,
        limit: int = 1000,
        without: Sequence[int] = (),
        least_words: int = 1,
    ) -> _Ranking:
        """`Collection.text_search` over all of the indexes: the best of each, then the second of each, and so on.

        The values of words are of one index each, so they are not compared. Of equal ranks, the nearer to the query is first.
        """
        rankings = []
        conditions, copies = self._conditions_and_copies(condition)
        by_member = self._by_member(self._with_copies(without))
        for number, member in enumerate(self._members):
            if member.fingerprint is None:
                continue
            left_out = by_member.get(number, []) + copies[number]
            found = member.text_search(query, text, conditions[number], limit, left_out, least_words)
            rankings.append([(score, self._renumbered(number, record)) for score, record in found])
        merged: _Ranking = []
        for rank in itertools.zip_longest(*rankings):
            merged += sorted(filter(None, rank), key=lambda pair: (-pair[0], pair[1].file.path))
        return merged[:limit]

    # -- consistent reading

    def at_one_state(self, read: Callable[[], _T]) -> _T:
        """Call a function that asks several questions, so that each index answers all of them from one committed state."""
        for member in self._members:
            read = _nested(member, read)
        return read()

    # -- inside

    def _shares(
        self, allowed: SeveralSelections | None, without: Sequence[int]
    ) -> Iterable[tuple[int, Ids | None, list[int]]]:
        """For each index that has images: its number, the images allowed, and the images to leave out, by its own ids."""
        left_out = self._by_member(self._with_copies(without))
        for number, copies in enumerate(self._copies()):
            if self._members[number].fingerprint is None:
                continue
            part = allowed.parts[number] if allowed is not None else None
            yield number, part, left_out.get(number, []) + (copies.tolist() if allowed is None else [])

    def _for_each_query(self, answers: list[list[_T]], queries: int) -> Iterable[list[_T]]:
        return ([answer[query] for answer in answers] for query in range(queries))

    def _merged(self, rankings: Sequence[_Ranking], top_k: int) -> _Ranking:
        numbers = [number for number, member in enumerate(self._members) if member.fingerprint]
        pairs = [
            (score, self._renumbered(number, record))
            for number, ranking in zip(numbers, rankings, strict=True)
            for score, record in ranking
        ]
        pairs.sort(key=lambda pair: (-pair[0], pair[1].file.path, pair[1].image_id))
        return pairs[:top_k]

    def _renumbered(self, number: int, record: ImageRecord) -> ImageRecord:
        return replace(record, image_id=record.image_id + number * ID_STEP) if number else record

    def _by_member(self, ids: Iterable[int]) -> dict[int, list[int]]:
        """The ids of each index, by its number. Ids of no index are left out."""
        by_member: dict[int, list[int]] = {}
        for image_id in ids:
            number, own = divmod(int(image_id), ID_STEP)
            if 0 <= number < len(self._members):
                by_member.setdefault(number, []).append(own)
        return by_member


def _nested(member: Collection, read: Callable[[], _T]) -> Callable[[], _T]:
    return lambda: member.at_one_state(read)


def _highest(parts: Sequence[Scores], count: int) -> Scores:
    """The `count` highest of all scores, best first."""
    return -np.sort(-np.concatenate([np.empty(0), *parts]))[:count]


def _in_order(records: list[ImageRecord], order: Order) -> list[ImageRecord]:
    """Records of several indexes, each in its own order, as one list. Those that tie stay in the order of their indexes."""
    if order == "name":
        return sorted(records, key=lambda record: record.file.name)
    dated = [record for record in records if record.info.taken_at]
    dated.sort(
        key=lambda record: record.info.taken_at.isoformat() if record.info.taken_at else "", reverse=order == "date"
    )
    return dated + [record for record in records if not record.info.taken_at]


def _overlapping(roots: Sequence[str]) -> bool:
    """Whether one of the indexed folders is another one, or below it."""
    paths = [Path(root) for root in roots]
    return any(path.is_relative_to(other) for path, other in itertools.permutations(paths, 2))
