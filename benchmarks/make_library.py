#!/usr/bin/env python3
"""Make a library of photos with known facts, and of pictures with known text.

    python benchmarks/make_library.py /tmp/library    # 2,000 photos and 200 pictures with text, 2 minutes
    python benchmarks/measure_facts.py /tmp/library   # how well they are found

Photos and captions come from Flickr8k. Dates, places, keywords, names, ratings and titles are invented. They are written as
Lightroom, digiKam, Google Takeout, WhatsApp, Signal, Apple Photos and cameras write them. Documents, receipts, signs, slides
and chats are drawn with the fonts of this machine. truth.json beside the photos says what each file holds. The same seed gives
the same library. It needs exiftool (Debian: libimage-exiftool-perl). Scripts without a font are left out.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections import Counter
from pathlib import Path

from photo_library.plan import plan
from photo_library.text_pictures import draw_texts
from photo_library.texts import plan_texts
from photo_library.truth import TRUTH_FILE, Truth
from photo_library.writing import set_file_times, write_photos

ROOT = Path(__file__).resolve().parents[1]
FLICKR = ROOT.parent / "shared" / "data" / "flickr8k"


def main() -> None:
    """Make the library."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", type=Path, help="a folder that does not exist yet")
    parser.add_argument("--flickr", type=Path, default=FLICKR, help="images/ and captions.jsonl (default: %(default)s)")
    parser.add_argument("--photos", type=int, default=2000, help="default: %(default)s")
    parser.add_argument("--texts", type=int, default=200, help="pictures with text (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    library: Path = options.library
    if library.exists():
        parser.error(f"{library} exists already; remove it, or name another folder")
    if not shutil.which("exiftool"):
        parser.error("exiftool is not installed (Debian: apt-get install libimage-exiftool-perl)")
    if not (options.flickr / "captions.jsonl").exists():
        parser.error(f"{options.flickr} has no captions.jsonl; name the folder of Flickr8k with --flickr")
    captions: dict[str, list[str]] = {}
    for line in (options.flickr / "captions.jsonl").read_text("utf-8").splitlines():
        item = json.loads(line)
        captions[item["image"]] = item["captions"]
    photos = plan(captions, options.photos, options.seed)
    used = {photo.source for photo in photos}
    unused = [name for name in sorted(captions) if name not in used] or sorted(used)
    backgrounds = [options.flickr / "images" / name for name in unused]
    texts = plan_texts(options.texts, options.seed)
    library.mkdir(parents=True)
    print(f"{len(photos):,} photos ...", file=sys.stderr)
    write_photos(photos, options.flickr / "images", library)
    print(f"{len(texts):,} pictures with text ...", file=sys.stderr)
    fonts, left_out = draw_texts(
        texts, backgrounds or [options.flickr / "images" / name for name in used], library, options.seed
    )
    set_file_times(library)
    truth = Truth(options.seed, tuple(photos), tuple(text for text in texts if text.path in fonts), fonts)
    (library / TRUTH_FILE).write_text(truth.as_json(), "utf-8")
    for line in left_out:
        print(f"Left out {line}", file=sys.stderr)
    layouts = Counter(photo.layout for photo in photos)
    print(", ".join(f"{count:,} {layout}" for layout, count in layouts.items()) + f", {len(fonts)} with text")


if __name__ == "__main__":
    main()
