"""Index a folder of photos, and find photos by a description, a date and other facts.

python examples/index_and_search.py data/photos "a cup of coffee"
"""

import sys

import clipsearch


def main(folder: str, text: str) -> None:
    # `mini` comes with the package. Without `model`, a new index downloads a better one.
    with clipsearch.SearchEngine.open(folder, model="mini") as engine:
        report = engine.index()  # the next time, it reads only what has changed
        print(f"{report.added} added, {report.failed} could not be read")
        for hit in engine.search(text, top_k=3):
            print(hit.rank, f"{hit.score:.3f}", hit.record.file.name)
        # The options of `clipsearch query` are keywords. Filters alone list photos.
        large = engine.search(text, top_k=3, where="width >= 400", orientation="landscape", min_match=0.2)
        print(len(large), "of them are large, landscape and likely")
        newest = engine.search(sort="date", format="jpeg", top_k=1)
        print("the newest JPEG:", newest[0].record.file.name)


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1].startswith("-"):
        sys.exit("usage: python examples/index_and_search.py FOLDER TEXT")
    main(sys.argv[1], sys.argv[2])
