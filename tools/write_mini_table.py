"""Writes the table of the embedded model's tokenizer. Needed when the form of such tables changes.

python tools/write_mini_table.py
"""

from __future__ import annotations

from clipsearch._internal.atomic_files import replacing
from clipsearch.encoders.mini.encoder import FOLDER
from clipsearch.encoders.mini.text_tower import TABLE, MiniVocabulary
from clipsearch.encoders.tokenizers.compact import write_table


def main() -> None:
    """Replace the table in the package."""
    with replacing([FOLDER / TABLE], force=True) as (unfinished,):
        write_table(unfinished, FOLDER, MiniVocabulary())


if __name__ == "__main__":
    main()
