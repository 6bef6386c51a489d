"""Photos, hits, failures and labels as JSON, and back: the only place that decides their keys. Keys are only ever added.

The command line, the server, its client and the assistants' tools all read and write these objects.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from clipsearch._internal.partial_dates import from_iso, to_iso
from clipsearch.render.failure_advice import advice_for
from clipsearch.render.grouping import GroupBy, group_of
from clipsearch.types import Failure, FoundIn, Hit, ImageFile, ImageInfo, ImageRecord, Moment

FACTS = ("caption", "taken_from", "title", "description", "keywords", "people", "rating", "label", "text")
"""What only some photos have: names in an ImageInfo and in its JSON."""

_LISTS = ("keywords", "people")

DIGITS = 6
"""Decimals of scores and matches, unless every digit is asked for."""


def json_line(value: Any) -> str:
    """One line of JSON in valid UTF-8. Bytes of a file name that are not UTF-8 become escapes that json.loads() undoes."""
    return utf8(json.dumps(value, ensure_ascii=False, separators=(", ", ": "))) + "\n"


def utf8(text: str) -> str:
    """Text that can be encoded as UTF-8: lone surrogates, which stand for other bytes, become escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def photo_to_json(record: ImageRecord) -> dict[str, Any]:
    """An indexed photo. FACTS and "place" are there only if known, and "moment" only for one of a file's several pictures."""
    info, moment = record.info, record.moment
    return {
        "id": record.image_id,
        "path": record.file.path,
        "width": info.width,
        "height": info.height,
        "format": info.format,
        "size": record.file.size,
        "taken_at": to_iso(info.taken_at) if info.taken_at else None,
        "camera": info.camera,
        "gps": list(info.gps) if info.gps else None,
        **({} if info.place is None else {"place": place_to_json(info.place)}),
        "content_hash": info.content_hash,
        **{name: list(value) if isinstance(value, tuple) else value for name, value in _known_facts(info)},
        **({} if moment is None else {"moment": {"unit": moment.unit, "at": moment.at}}),
    }


def place_to_json(code: str) -> dict[str, Any]:
    """A place by its code: {"code", "city", "region", "country"}, each None if it is not known; "section" only if it is."""
    from clipsearch.gazetteer import names  # few photos have a place

    name = names(code)
    section = {} if name.section is None else {"section": name.section}
    return {"code": code, **section, "city": name.city, "region": name.region, "country": name.country}


def _known_facts(info: ImageInfo) -> Iterator[tuple[str, Any]]:
    facts = ((name, getattr(info, name)) for name in FACTS)
    return ((name, value) for name, value in facts if value not in (None, "", ()))


def shot_to_json(shot: Sequence[ImageRecord]) -> dict[str, Any]:
    """The first file of a shot; the shot's other files, if it has any, are in "others"."""
    others = [photo_to_json(record) for record in shot[1:]]
    return {**photo_to_json(shot[0]), **({"others": others} if others else {})}


def photo_from_json(photo: Mapping[str, Any]) -> ImageRecord:
    """The inverse of `photo_to_json`, without what the JSON lacks: the file's time, and the moments of its other pictures."""
    facts: dict[str, Any] = {name: photo[name] for name in FACTS if photo.get(name) is not None}
    facts |= {name: tuple(facts[name]) for name in _LISTS if name in facts}
    info = ImageInfo(
        width=photo["width"],
        height=photo["height"],
        format=photo["format"],
        content_hash=photo["content_hash"],
        taken_at=from_iso(photo["taken_at"]) if photo["taken_at"] else None,
        camera=photo["camera"],
        gps=(photo["gps"][0], photo["gps"][1]) if photo["gps"] else None,
        place=photo["place"]["code"] if photo.get("place") else None,
        **facts,
    )
    moment = photo.get("moment")
    file = ImageFile(photo["path"], photo["size"], 0)
    return ImageRecord(photo["id"], file, info, moment and Moment(moment["unit"], moment["at"]))


def hit_to_json(hit: Hit, group_by: GroupBy | None = None, *, exact: bool = False) -> dict[str, Any]:
    """A hit: the photo's keys, "rank", "score" and "match". With `group_by` also "group"; with files of its shot, "others".

    Hits of a hybrid query have "found_by". Those whose texts have words that were looked for have "found_in", and
    "also_found_in" if several fields have some. Scores and matches are rounded to DIGITS, unless `exact`. A score is None
    if photos are only listed.
    """
    score, match = (None if math.isnan(hit.score) else hit.score), hit.match
    if not exact:
        score, match = (value if value is None else round(value, DIGITS) for value in (score, match))
    group = {} if group_by is None else {"group": group_of(hit, group_by)}
    others = {"others": [photo_to_json(record) for record in hit.others]} if hit.others else {}
    found = {"found_by": list(hit.found_by)} if hit.found_by else {}
    found |= found_in_to_json(hit.found_in, hit.also_found_in)
    return {"rank": hit.rank, "score": score, "match": match, **photo_to_json(hit.record), **group, **others, **found}


def found_in_to_json(found: FoundIn | None, also: Sequence[FoundIn] = ()) -> dict[str, Any]:
    """{"found_in": {"field", "excerpt", "marks": [[begin, end], ...]}}, or nothing. Marks count Unicode code points.

    Other fields that have words are in a list, "also_found_in".
    """
    if found is None:
        return {}
    parts = [
        {"field": part.field, "excerpt": part.excerpt, "marks": [list(mark) for mark in part.marks]}
        for part in (found, *also)
    ]
    return {"found_in": parts[0], **({"also_found_in": parts[1:]} if also else {})}


def _found_in_from_json(found: Mapping[str, Any]) -> FoundIn:
    return FoundIn(found["field"], found["excerpt"], tuple((begin, end) for begin, end in found["marks"]))


def hit_from_json(hit: Mapping[str, Any]) -> Hit:
    """The inverse of `hit_to_json`."""
    others = tuple(photo_from_json(photo) for photo in hit.get("others", ()))
    score = math.nan if hit["score"] is None else hit["score"]
    return Hit(
        hit["rank"],
        score,
        photo_from_json(hit),
        hit["match"],
        others,
        tuple(hit.get("found_by", ())),
        _found_in_from_json(hit["found_in"]) if hit.get("found_in") else None,
        tuple(map(_found_in_from_json, hit.get("also_found_in") or ())),
    )


def hits_to_json(
    hits: Sequence[Hit],
    query: str,
    model: str,
    index: str,
    *,
    group_by: GroupBy | None = None,
    understood: dict[str, Any] | None = None,
    explanation: dict[str, Any] | None = None,
    exact: bool = False,
) -> dict[str, Any]:
    """An answer: {"query", "model", "index", "hits": [...]}, and "understood" and "explanation" if they are given."""
    return {
        "query": query,
        "model": model,
        "index": index,
        "hits": [hit_to_json(hit, group_by, exact=exact) for hit in hits],
        **({} if understood is None else {"understood": understood}),
        **({} if explanation is None else {"explanation": explanation}),
    }


def hits_to_jsonl(hits: Sequence[Hit], query: str, *, group_by: GroupBy | None = None) -> str:
    """One line of JSON for each hit, with the "query" first."""
    return "".join(json_line({"query": query, **hit_to_json(hit, group_by)}) for hit in hits)


def failure_to_json(failure: Failure) -> dict[str, Any]:
    """A file that could not be indexed."""
    return {
        "path": failure.file.path,
        "size": failure.file.size,
        "reason": failure.reason,
        "cause": failure.cause,
        "attempts": failure.attempts,
        "kept": failure.kept,
        "since": failure.since.isoformat() if failure.since else None,
        "advice": advice_for(failure),
    }


def failure_from_json(failure: Mapping[str, Any]) -> Failure:
    """The inverse of `failure_to_json`."""
    file = ImageFile(failure["path"], int(failure["size"]), 0)
    since = datetime.fromisoformat(failure["since"]) if failure.get("since") else None
    return Failure(file, failure["reason"], failure["cause"], failure["attempts"], failure["kept"], since)


def reasons_to_json(failures: Iterable[Failure]) -> list[dict[str, str]]:
    """Files that could not be read, in an answer about other things: {"path", "reason"} each."""
    return [{"path": failure.file.path, "reason": failure.reason} for failure in failures]


def labels_to_json(record: ImageRecord, labels: Sequence[tuple[str, float, float]]) -> dict[str, Any]:
    """A photo's labels, each with its match and its share: {"path", "labels": [{"label", "match", "share"}, ...]}."""
    return {
        "path": record.file.path,
        "labels": [
            {"label": label, "match": round(match, DIGITS), "share": round(share, 8)} for label, match, share in labels
        ],
    }
