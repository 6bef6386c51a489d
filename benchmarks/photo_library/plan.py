"""Which photo of the invented library has which facts, and what is written where. Pure: the same seed gives the same plan."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Literal, TypeAlias

from photo_library.world import CAMERAS, CITIES, LABELS, OCCASIONS, PEOPLE, PHONES, SUBJECTS

Layout: TypeAlias = Literal["lightroom", "digikam", "takeout", "whatsapp", "apple", "camera", "bare"]

SHARES: dict[Layout, float] = {
    "lightroom": 0.22, "digikam": 0.18, "takeout": 0.22, "whatsapp": 0.15, "apple": 0.13, "camera": 0.06, "bare": 0.04,
}  # fmt: skip
_EVENTS_PER_PHOTO = 1 / 13
_FIRST_YEAR, _LAST_YEAR = 2008, 2024
_JITTER = 0.02  # degrees around a city's centre: 2 km to the north, and less to the east
_AGREE = 3  # of five captions


@dataclass(frozen=True)
class Photo:
    """One photo of the library with what is written about it, and nothing else. Unknown facts are None or empty.

    `date_in` says where its date is: as clipsearch names it in `taken_from`.
    """

    path: str  # inside the library, with "/"
    source: str  # file name of the picture
    layout: Layout
    shows: tuple[str, ...]  # of SUBJECTS
    captions: tuple[str, ...]
    taken_at: datetime | None = None
    date_in: str | None = None
    city: int | None = None  # of CITIES
    gps: tuple[float, float] | None = None
    camera: tuple[str, str] | None = None  # maker, model
    occasion: str | None = None  # one of the keywords, if it has keywords
    keywords: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()  # of each keyword: what stands above it in a hierarchy
    people: tuple[str, ...] = ()
    rating: int | None = None
    label: str | None = None
    title: str | None = None
    description: str | None = None

    @property
    def words(self) -> str:
        """All texts that are written about the photo, for full-text search. Names of places are not among them."""
        return "\n".join(filter(None, (self.title, self.description, *self.keywords, *self.people)))


@dataclass(frozen=True)
class _Event:
    number: int
    layout: Layout
    occasion: str
    group: str
    titles: tuple[str, ...]
    city: int
    begins: datetime
    days: int
    guests: tuple[str, ...]
    camera: tuple[str, str]


def shown(captions: Sequence[str]) -> tuple[str, ...]:
    """What a photo shows, by the words on which three of its captions agree."""
    words = [set(re.findall(r"[a-z]+", caption.lower())) for caption in captions]
    return tuple(
        subject for subject, names in SUBJECTS.items() if sum(bool(those & set(names)) for those in words) >= _AGREE
    )


def plan(pictures: Mapping[str, Sequence[str]], count: int, seed: int = 0) -> list[Photo]:
    """`count` photos with facts. `pictures` has file names and captions; each is used once at most."""
    if count > len(pictures):
        raise ValueError(f"there are only {len(pictures)} pictures for {count} photos")
    random = Random(f"plan {seed}")
    sources = random.sample(sorted(pictures), count)
    events = _events(random, max(8, round(count * _EVENTS_PER_PHOTO)))
    numbers: Counter[str] = Counter()  # of the files of a folder
    photos: list[Photo] = []
    for layout, share in SHARES.items():
        own = [event for event in events if event.layout == layout]
        last = layout == tuple(SHARES)[-1]
        for _ in range(count - len(photos) if last else round(count * share)):
            source = sources[len(photos)]
            photos.append(_photo(random, random.choice(own), source, tuple(pictures[source]), numbers))
    if len({photo.path.lower() for photo in photos}) < count:
        raise ValueError(f"two photos have the same name with the seed {seed}; take another")
    return photos


def _events(random: Random, count: int) -> list[_Event]:
    layouts = [*SHARES, *random.choices(tuple(SHARES), tuple(SHARES.values()), k=count - len(SHARES))]
    cities = [*range(len(CITIES)), *random.choices(range(len(CITIES)), k=count)]
    occasions = [*OCCASIONS, *random.choices(OCCASIONS, k=count)]
    random.shuffle(layouts)
    events = []
    for number, layout in enumerate(layouts):
        name, group, (first, last), days, titles = occasions[number]
        begins = datetime(
            random.randint(_FIRST_YEAR, _LAST_YEAR), random.randint(first, last), random.randint(2, 28 - days)
        )
        if name == "Christmas":
            begins = begins.replace(day=25)
        guests = tuple(random.sample(PEOPLE, random.randint(2, 4)))
        camera = random.choice(CAMERAS if layout in ("lightroom", "digikam", "camera") else PHONES)
        camera = ("Apple", "iPhone 11") if layout == "apple" else camera
        events.append(_Event(number, layout, name, group, titles, cities[number], begins, days, guests, camera))
    return events


def _photo(random: Random, event: _Event, source: str, captions: tuple[str, ...], numbers: Counter[str]) -> Photo:
    taken = event.begins + timedelta(
        days=random.randrange(event.days), hours=random.randint(9, 19), seconds=random.randrange(3600)
    )
    shows = shown(captions)
    likely = {"lightroom": 0.7, "digikam": 0.7, "takeout": 0.0, "apple": 0.4}.get(event.layout, 0.0)
    keywords = [(event.occasion, event.group)] if random.random() < likely else []
    keywords += [(subject.capitalize(), "Subjects") for subject in shows if random.random() < likely / 2]
    knows_people = {"lightroom": 0.5, "digikam": 0.6, "takeout": 0.4, "apple": 0.5}.get(event.layout, 0.0)
    people = tuple(random.sample(event.guests, random.randint(1, 2))) if random.random() < knows_people else ()
    described = {"lightroom": 0.2, "digikam": 0.2, "takeout": 0.25, "apple": 0.25}.get(event.layout, 0.0)
    title = random.choice(event.titles) if random.random() < described and event.layout != "takeout" else None
    description = (
        f"{event.occasion} {event.begins.year}: {random.choice(event.titles).lower()}"
        if random.random() < described
        else None
    )
    rated = event.layout in ("lightroom", "digikam") and random.random() < 0.6
    gps = None
    located = {"lightroom": 0.7, "digikam": 0.6, "takeout": 0.7, "apple": 0.9, "camera": 0.4}.get(event.layout, 0.0)
    city = CITIES[event.city]
    if random.random() < located:
        gps = (
            round(city.latitude + random.uniform(-_JITTER, _JITTER), 6),
            round(city.longitude + random.uniform(-_JITTER, _JITTER), 6),
        )
    labelled = event.layout == "lightroom" and random.random() < 0.3
    path, date_in, taken_at = _name(random, event, taken, numbers)
    return Photo(
        path=path,
        source=source,
        layout=event.layout,
        shows=shows,
        captions=captions,
        taken_at=taken_at,
        date_in=date_in,
        city=event.city if gps else None,
        gps=gps,
        camera=event.camera if event.layout in ("lightroom", "digikam", "camera", "apple") else None,
        occasion=event.occasion,
        keywords=tuple(word for word, _ in keywords),
        groups=tuple(group for _, group in keywords),
        people=people,
        rating=random.choice((0, 1, 2, 3, 3, 4, 4, 5)) if rated else None,
        label=random.choice(LABELS) if labelled else None,
        title=title,
        description=description,
    )


def _name(
    random: Random, event: _Event, taken: datetime, numbers: Counter[str]
) -> tuple[str, str | None, datetime | None]:
    """(path, where the date is, the date as it is written there)."""

    def next_number(folder: str) -> int:
        numbers[folder] += 1
        return numbers[folder]

    day = f"{taken:%Y%m%d}"
    if event.layout == "lightroom":
        number = next_number("lightroom")
        suffix = ".tif" if number % 23 == 0 else ".png" if number % 29 == 0 else ".jpg"
        return f"Lightroom/{taken:%Y/%Y-%m-%d}/DSC{number:05d}{suffix}", "exif" if suffix != ".png" else "xmp", taken
    if event.layout == "digikam":
        number = next_number("digikam")
        # Scanned photos have no EXIF. Their date is in the sidecar.
        scanned = number % 6 == 0
        name = f"scan_{number:04d}.jpg" if scanned else f"P{number:07d}.JPG"
        return f"digiKam/{event.number:03d}/{name}", "sidecar" if scanned else "exif", taken
    if event.layout == "takeout":
        folder = f"Takeout/Google Photos/Photos from {taken:%Y}"
        number = next_number(folder)
        kind = random.randrange(5)
        if kind == 0:
            return f"{folder}/PXL_{taken:%Y%m%d_%H%M%S}{number:03d}.jpg", "takeout", taken
        if kind == 1:
            return f"{folder}/received_{10**15 + number * 7919}_of_the_chess_club.jpeg", "takeout", taken
        if kind == 2:
            return f"{folder}/IMG_{number // 3 * 3:04d}({number % 3 + 1}).jpg", "takeout", taken
        if kind == 3:
            return f"{folder}/DSCN{number:04d}-edited.jpg", "takeout", taken
        return f"{folder}/DSCN{number:04d}.jpg", "exif", taken
    if event.layout == "whatsapp":
        number = next_number("whatsapp")
        midnight = taken.replace(hour=0, minute=0, second=0)
        kind = number % 5
        if kind == 0:
            return f"WhatsApp/WhatsApp Image {taken:%Y-%m-%d at %H.%M.%S}.jpeg", "name", taken
        if kind == 1:
            return f"WhatsApp/Signal/signal-{taken:%Y-%m-%d-%H%M%S}.jpg", "name", taken
        sent = "Sent/" if number % 7 == 0 else ""
        return f"WhatsApp/WhatsApp Images/{sent}IMG-{day}-WA{number:04d}.jpg", "name", midnight
    if event.layout == "apple":
        number = next_number("apple")
        kind = number % 3  # 0: HEIC, 1: JPEG with a sidecar, 2: one whose date only the sidecar has
        suffix = ".HEIC" if kind == 0 else ".jpeg"
        return f"Apple/{taken:%Y}/IMG_{number:04d}{suffix}", "sidecar" if kind == 2 else "exif", taken
    if event.layout == "camera":
        number = next_number("camera")
        return f"Cards/DCIM/{100 + number // 40}CANON/IMG_{number:04d}.JPG", "exif", taken
    number = next_number("bare")
    return f"Unsorted/picture{number:04d}.jpg", None, None
