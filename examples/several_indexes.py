"""Search several photo folders as one: one model in memory, one ranking, and a photo that two of them have once.

python examples/several_indexes.py "a dog" ~/Photos /media/archive
"""

import sys

import clipsearch


def main(text: str, folders: list[str]) -> int:
    with clipsearch.SearchEngine.open_many(folders) as engine:
        try:
            hits = engine.search(text, top_k=5)
        except clipsearch.ModelMismatch as error:  # their embeddings cannot be compared; it says what to do
            print(error, file=sys.stderr)
            return 1
        print(f"{hits.explanation.images} photos")
        for hit in hits:
            print(hit.rank, f"{hit.score:.3f}", hit.path)
    return 0


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1].startswith("-"):
        sys.exit("usage: python examples/several_indexes.py TEXT FOLDER...")
    sys.exit(main(sys.argv[1], sys.argv[2:]))
