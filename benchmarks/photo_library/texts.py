"""Which pictures with text there are and what stands in them. Pure: the same seed gives the same plan."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any, Literal, TypeAlias

from photo_library.world import PEOPLE

Kind: TypeAlias = Literal["document", "receipt", "sign", "slide", "chat"]
KINDS: tuple[Kind, ...] = ("document", "receipt", "sign", "slide", "chat")
LANGUAGES = {
    "en": 9, "de": 6, "fr": 4, "es": 4, "pl": 2, "tr": 2, "ru": 3, "uk": 1, "el": 2, "zh": 3, "ja": 2, "ko": 2,
}  # fmt: skip
"""Of each forty pictures of a kind, how many are in which language."""

_WORDS = Path(__file__).with_name("words.json")
_STRAIGHT_SHARE = 0.4  # of documents and receipts: scanned; the others are photographed
_TURNED_SHARE = 0.1  # of photographed documents and receipts: lying on their side or upside down


@dataclass(frozen=True)
class TextPicture:
    """A picture with text: `lines` are what stands in it, before long ones are wrapped."""

    path: str  # inside the library, with "/"
    number: int
    kind: Kind
    language: str
    script: str
    lines: tuple[str, ...]
    photographed: bool  # at an angle, on a table or in a street, with noise
    angle: float  # degrees, anticlockwise
    text_height: int  # of its main text, in pixels: the size of the font


@lru_cache(maxsize=1)
def vocabulary() -> dict[str, dict[str, Any]]:
    """The script of each language, and the texts for its pictures."""
    words: dict[str, dict[str, Any]] = json.loads(_WORDS.read_text("utf-8"))
    return words


def plan_texts(count: int, seed: int = 0) -> list[TextPicture]:
    """`count` pictures with text, as many of each kind."""
    cycle = [language for language, times in LANGUAGES.items() for _ in range(times)]
    Random(f"languages {seed}").shuffle(cycle)
    pictures = []
    for number in range(count):
        random = Random(f"text {seed} {number}")
        kind, language = KINDS[number % len(KINDS)], cycle[number // len(KINDS) % len(cycle)]
        words = vocabulary()[language]
        photographed = kind == "sign" or (kind in ("document", "receipt") and random.random() > _STRAIGHT_SHARE)
        angle = round(random.uniform(-12, 12), 1) if photographed else 0.0
        if photographed and kind != "sign" and random.random() < _TURNED_SHARE:
            angle += random.choice((90, 180, 270))
        low, high = {"document": (16, 34), "receipt": (18, 32), "sign": (26, 80), "slide": (26, 48), "chat": (22, 34)}[
            kind
        ]
        name = f"Screenshots/Screenshot {number:04d}.png" if kind in ("chat", "slide") else f"Papers/P{number:04d}.jpg"
        pictures.append(
            TextPicture(
                path=name,
                number=number,
                kind=kind,
                language=language,
                script=words["script"],
                lines=_lines(random, kind, words),
                photographed=photographed,
                angle=angle,
                text_height=random.randint(low, high),
            )
        )
    return pictures


def _lines(random: Random, kind: Kind, words: dict[str, Any]) -> tuple[str, ...]:
    date = f"{random.randint(1, 28):02}.{random.randint(1, 12):02}.{random.randint(2010, 2024)}"
    if kind == "document":
        sentences = random.sample(words["sentences"], 5)
        sender = random.choice([name for name in PEOPLE if name.isascii()])
        return (random.choice(words["firms"]), f"{date}  No. {_code(random)}", *sentences, sender)
    if kind == "receipt":
        bought = [(name, random.randint(99, 4999)) for name in random.sample(words["goods"], random.randint(3, 6))]
        items = (f"{name}  {_price(cents)}" for name, cents in bought)
        total = f"{words['total']}  {_price(sum(cents for _, cents in bought))}"
        return (random.choice(words["firms"]), date, *items, total, _code(random))
    if kind == "sign":
        return (random.choice(words["signs"]),)
    if kind == "slide":
        return (random.choice(words["titles"]), *random.sample(words["sentences"], random.randint(2, 4)))
    return tuple(random.sample(words["chats"], min(len(words["chats"]), random.randint(3, 5))))


def _price(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}"


def _code(random: Random) -> str:
    letters = "".join(random.choice("ABCDEFHKLMNPRSTUVWXYZ") for _ in range(2))
    return f"{letters}{random.randint(10_000, 99_999)}"
