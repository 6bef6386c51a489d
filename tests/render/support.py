"""Hits without an index."""

from dataclasses import replace
from datetime import datetime

from clipsearch.query.hits import Explanation, Hits
from clipsearch.terms import Query, Term
from clipsearch.types import Hit, ImageFile, ImageInfo, ImageRecord

ANOTHER_DAY = datetime(2024, 7, 15, 12, 30)


def hit(
    rank, path, score=0.25, match=None, taken_at=None, camera=None, gps=None, caption=None, moment=None, place=None
):
    info = ImageInfo(
        40, 30, "JPEG", f"hash of {rank}", taken_at=taken_at, camera=camera, gps=gps, caption=caption, place=place
    )
    return Hit(rank, score, ImageRecord(rank, ImageFile(str(path), 10, 0), info, moment), match)


def hit_with_facts(rank=1, **facts):
    """A hit with every fact that only some photos have, but the place."""
    found = hit(rank, "/photos/facts.jpg", **facts)
    texts = {
        "title": "Noon",
        "description": 'By "us", twice',
        "label": "Red",
        "text": "EXIT\nNOW",
        "taken_from": "exif",
    }
    info = replace(found.record.info, **texts, keywords=("sea", "a, b"), people=("Ann", "Bob"), rating=-1)
    return replace(found, record=replace(found.record, info=info))


def answer(*hits, query=None):
    explanation = Explanation(
        "mini", "/photos/.clipsearch", 1200, 1200, 4_915_200, {"encode": 0.0121, "search": 0.0003}
    )
    return Hits(hits, query or Query((Term("a dog"),)), explanation)
