"""Compare the compact form of a checkpoint's tokenizer with the tokenizers library, on texts of every kind.

    python tools/compare_tokenizers.py FOLDER [--texts 100000] [--real FILE] [--seed 1]

FOLDER holds a tokenizer.json, or vocab.json and merges.txt, or vocab.txt. FILE has real texts, one a line; without it all
texts are made up: words in 32 scripts, mixed scripts, emoji, combining marks, unassigned code points, spaces and control
characters of all kinds, very long words, and the spellings of special tokens. Exit status 1 if a text has
other tokens or pieces.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

SCRIPTS = {
    "Latin": (0x41, 0x24F), "Greek": (0x370, 0x3FF), "Cyrillic": (0x400, 0x52F), "Armenian": (0x531, 0x587),
    "Hebrew": (0x5D0, 0x5EA), "Arabic": (0x620, 0x6FF), "Syriac": (0x710, 0x74F), "Thaana": (0x780, 0x7B1),
    "Devanagari": (0x904, 0x97F), "Bengali": (0x985, 0x9FB), "Gurmukhi": (0xA05, 0xA76), "Gujarati": (0xA85, 0xAF1),
    "Oriya": (0xB05, 0xB77), "Tamil": (0xB85, 0xBFA), "Telugu": (0xC05, 0xC7F), "Kannada": (0xC85, 0xCF2),
    "Malayalam": (0xD05, 0xD7F), "Sinhala": (0xD85, 0xDF4), "Thai": (0xE01, 0xE5B), "Lao": (0xE81, 0xEDF),
    "Tibetan": (0xF00, 0xFDA), "Myanmar": (0x1000, 0x109F), "Georgian": (0x10A0, 0x10FF), "Ethiopic": (0x1200, 0x137C),
    "Cherokee": (0x13A0, 0x13FD), "Khmer": (0x1780, 0x17F9), "Mongolian": (0x1820, 0x1878), "Hangul": (0xAC00, 0xD7A3),
    "Hiragana": (0x3041, 0x3096), "Katakana": (0x30A1, 0x30FA), "Han": (0x4E00, 0x9FFF), "Deseret": (0x10400, 0x1044F),
}  # fmt: skip
SPACES = (
    "\t\n\v\f\r \x1c\x1f\x85\xa0\u1680\u2000\u2003\u2009\u200a\u2028\u2029\u202f\u205f\u3000\u200b\u2060\ufeff\u2581"
)
CONTROLS = [*map(chr, range(0x20)), "\x7f", "\x80", "\x9f", "\u202e", "\u2066", "\ufffd", "\ufffe", "\U000e0001"]
CASES = [
    "İstanbul",
    "ΟΔΟΣ ΣΑΣ",
    "STRASSE ẞ ß",
    "ǅ ǈ ǋ",
    "ﬁ ﬂ",
    "Ⅷ Ⓐ",
    "K\u212a Å\u212b",
    "I\u0307 \u0131",
    "𐐀𐐨",
    "ᏸᏀ",
    "Ა ა",
]
SPECIAL = [
    "<eos>", "<bos>", "<pad>", "<unk>", "<EOS>", "<eos", "< eos>", "<0x41>", "<0xE2>", "<|endoftext|>", "<|startoftext|>",
    "</w>", "</s>", "<s>", "[CLS]", "[SEP]", "[UNK]", "[PAD]", "<mask>", "<unused0>", "<unused99>", "<start_of_turn>",
    "[@BOS@]", "\n\n\n", "\u2581\u2581", "<h1>", "</table>", "<2mass>", "##s",
]  # fmt: skip
EMOJI = [
    *"🐶🏖😀❤👩👨👧🏽🇩🇪🇫🇷⌚©",
    "\ufe0f",
    "\ufe0e",
    "\u200d",
    "👩\u200d🚀",
    "1\ufe0f\u20e3",
    "🏴\U000e0067\U000e007f",
    "🪿",
    "🫩",
]
WORDS = [
    "a",
    "dog",
    "beach",
    "two people,",
    "red",
    "Car!",
    "isn't",
    "1,234.5",
    "café",
    "naïve",
    "#tag",
    "x_y (old)",
    "Größe",
]


def varied_texts(count: int, seed: int = 1, real: list[str] | None = None) -> Iterator[str]:
    """Texts of every kind, the same ones for the same seed."""
    chance = random.Random(seed)

    def word(names: list[str]) -> str:
        first, last = SCRIPTS[chance.choice(names)]
        return "".join(chr(chance.randint(first, last)) for _ in range(chance.randint(1, 9)))

    def code_point() -> str:
        point = chance.randrange(chance.choice([0x100, 0x3000, 0x10000, 0x20000, 0x110000]))
        return "\ufffd" if 0xD800 <= point < 0xE000 else chr(point)

    def line() -> str:
        kind = chance.randrange(11)
        if kind == 0:
            return " ".join(word([name]) for name in [chance.choice([*SCRIPTS])] for _ in range(chance.randint(1, 8)))
        if kind == 1:
            return " ".join(word([*SCRIPTS]) for _ in range(chance.randint(1, 8)))
        if kind == 2:
            return "".join(chance.choices([*EMOJI, *WORDS, " "], k=chance.randint(1, 12)))
        if kind == 3:
            marks = [*map(chr, range(0x300, 0x370)), "\u0e31", "\u0e48", "\u093c", "\u064b"]
            return "".join(
                character + "".join(chance.choices(marks, k=chance.randint(0, 3))) for character in word([*SCRIPTS])
            )
        if kind == 4:
            return "".join(code_point() for _ in range(chance.randint(1, 20)))
        if kind == 5:
            return "".join(
                chance.choice([*WORDS, *SPACES, " " * chance.randint(1, 9)]) for _ in range(chance.randint(1, 15))
            )
        if kind == 6:
            return "".join(chance.choices([*WORDS, *CONTROLS, " "], k=chance.randint(1, 15)))
        if kind == 7 and chance.random() < 0.1:
            return chance.choice(["a", "ha", "aab", "ab " * 3, word([*SCRIPTS]), "😀"]) * chance.randint(50, 400)
        if kind == 8:
            return "".join(chance.choices([*SPECIAL, *WORDS, " ", "\n"], k=chance.randint(1, 9)))
        if kind == 9:
            return " ".join(chance.choices([*CASES, *WORDS], k=chance.randint(1, 6)))
        if real:
            text = chance.choice(real)
            return text.upper() if chance.random() < 0.1 else text.title() if chance.random() < 0.1 else text
        return " ".join(chance.choices(WORDS, k=chance.randint(1, 20)))

    return itertools.islice(iter(line, None), count)


def differences(compact: Any, library: Any, texts: list[str]) -> tuple[list[str], int]:
    """The texts whose tokens or pieces differ, and the number of texts that the compact form leaves to the library."""
    different, left = [], 0
    for text, ids in zip(texts, library.encode(texts), strict=True):
        own = compact.encode(text)
        left += own is None
        if own not in (None, ids) or compact.pieces(text) not in (None, library.pieces(text)):
            different.append(text)
    return different, left


def main() -> int:
    """Compare, and print what differs."""
    from clipsearch.encoders.tokenizers.compact import open_compact
    from clipsearch.encoders.tokenizers.library import LibraryTokenizer

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--texts", type=int, default=100_000)
    parser.add_argument("--real", type=Path, help="a file of real texts, one a line")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()

    class AnyShape:
        def require_vocabulary(self, tokens: int, folder: Path) -> None:
            return

    shape: Any = AnyShape()
    library = LibraryTokenizer(options.folder, shape)
    compact = open_compact(options.folder, shape, library)
    if compact is None:
        print(f"{options.folder}: this tokenizer has no compact form")
        return 1
    real = options.real.read_text("utf-8").splitlines() if options.real else None
    started = time.perf_counter()
    different, left = differences(compact, library, list(varied_texts(options.texts, options.seed, real)))
    for text in different[:10]:
        print(f"differs: {text!r:.300}")
    print(
        f"{options.texts:,} texts in {time.perf_counter() - started:.0f} s: {len(different):,} differ, "
        f"{left:,} are left to the library"
    )
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
