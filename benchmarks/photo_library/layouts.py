"""How each program writes a photo's facts: as arguments of exiftool, as a sidecar, or as JSON beside it. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timezone

from photo_library.plan import Photo

_TAKEOUT_NAME = 46  # characters of the name of a JSON file, without ".json"
_FACES = ((0.3, 0.35), (0.7, 0.4))  # centres of the faces' boxes, as shares of width and height

Tag = tuple[str, str]


@dataclass(frozen=True)
class Written:
    """What is written for one photo. Names are those of files beside it."""

    tags: tuple[Tag, ...] = ()  # in the photo
    sidecar: str | None = None
    sidecar_tags: tuple[Tag, ...] = ()
    json_name: str | None = None
    json_text: str | None = None


def written(photo: Photo) -> Written:
    """What the photo's program writes."""
    if photo.layout == "lightroom":
        return _lightroom(photo)
    if photo.layout == "digikam":
        return _digikam(photo)
    if photo.layout == "takeout":
        return _takeout(photo)
    if photo.layout == "apple":
        return _apple(photo)
    if photo.layout == "camera":
        return Written((*_exif_date(photo, "+02:00"), *_exif_place(photo), *_exif_camera(photo)))
    if photo.layout == "bare" and _number(photo) % 3 == 0:  # a camera whose clock was never set
        return Written((("EXIF:DateTimeOriginal", "0000:00:00 00:00:00"), ("EXIF:Make", "Casio")))
    return Written()


def _lightroom(photo: Photo) -> Written:
    place = _xmp_place(photo) if photo.date_in == "xmp" else _exif_place(photo)
    date = _xmp_date(photo) if photo.date_in == "xmp" else _exif_date(photo, "+01:00")
    words: list[Tag] = [("XMP-dc:Subject", word) for word in photo.keywords]
    words += [
        ("XMP-lr:HierarchicalSubject", f"{group}|{word}")
        for group, word in zip(photo.groups, photo.keywords, strict=True)
    ]
    if photo.date_in != "xmp":  # a PNG has no IPTC
        words += [("IPTC:CodedCharacterSet", "UTF8")] if photo.keywords or photo.title else []
        words += [("IPTC:Keywords", word) for word in photo.keywords]
        words += [("IPTC:ObjectName", photo.title)] if photo.title else []
    return Written((*date, *place, *_exif_camera(photo), *words, *_texts(photo), *_stars(photo), *_regions(photo)))


def _digikam(photo: Photo) -> Written:
    words: list[Tag] = [("XMP-dc:Subject", word) for word in photo.keywords]
    paths = [f"{group}/{word}" for group, word in zip(photo.groups, photo.keywords, strict=True)]
    paths += [f"People/{name}" for name in photo.people]
    words += [("XMP-digiKam:TagsList", path) for path in paths]
    words += [("XMP-microsoft:LastKeywordXMP", path) for path in paths]
    words += [("XMP-lr:HierarchicalSubject", path.replace("/", "|")) for path in paths]
    stars = list(_stars(photo))
    if photo.rating is not None:
        stars.append(("XMP-microsoft:RatingPercent", str((0, 1, 25, 50, 75, 99)[photo.rating])))
    facts = (*words, *_texts(photo), *stars, *_regions(photo))
    name = photo.path.rpartition("/")[2]
    if photo.date_in == "sidecar":
        return Written((), f"{name}.xmp", (*_xmp_date(photo), *_xmp_place(photo), *facts))
    date_and_place = (*_exif_date(photo), *_exif_place(photo), *_exif_camera(photo))
    if _number(photo) % 2:  # digiKam writes into the photo or beside it, as it is set up
        return Written(date_and_place, f"{name}.xmp" if facts else None, facts)
    return Written((*date_and_place, *facts))


def _takeout(photo: Photo) -> Written:
    if photo.taken_at is None:
        raise ValueError(f"{photo.path} has no date")
    name = photo.path.rpartition("/")[2]
    number = _number(photo)
    stem, dot, suffix = name.rpartition(".")
    if stem.endswith(")"):
        stem, _, count = stem[:-1].rpartition("(")
        middle = ".supplemental-metadata" if number % 2 else ""
        title, json_name = f"{stem}.{suffix}", f"{stem}.{suffix}{middle}({count}).json"
    elif stem.endswith("-edited"):
        title = stem.removesuffix("-edited") + dot + suffix
        json_name = f"{title}.json"
    elif name.startswith("PXL"):
        title, json_name = name, f"{name}.supplemental-metadata"[:_TAKEOUT_NAME] + ".json"
    else:
        title, json_name = name, name[:_TAKEOUT_NAME] + ".json"
    latitude, longitude = photo.gps or (0.0, 0.0)  # Takeout writes zeros if it knows no place
    place = {"latitude": latitude, "longitude": longitude, "altitude": 0.0, "latitudeSpan": 0.0, "longitudeSpan": 0.0}
    facts: dict[str, object] = {
        "title": title,
        "description": photo.description or "",
        "imageViews": str(number % 50),
        "creationTime": _takeout_time(datetime(2025, 3, 1)),
        "photoTakenTime": _takeout_time(photo.taken_at),
        "geoData": place,
        "geoDataExif": place,
        "url": f"https://photos.google.com/photo/{number}",
        "googlePhotosOrigin": {"mobileUpload": {"deviceType": "ANDROID_PHONE"}},
    }
    if photo.people:
        facts["people"] = [{"name": person} for person in photo.people]
    text = json.dumps(facts, indent=2, ensure_ascii=False)
    return Written(_exif_date(photo) if photo.date_in == "exif" else (), json_name=json_name, json_text=text)


def _apple(photo: Photo) -> Written:
    name = photo.path.rpartition("/")[2]
    facts = (*(("XMP-dc:Subject", word) for word in photo.keywords), *_texts(photo))
    people = tuple(("XMP-iptcExt:PersonInImage", name) for name in photo.people)
    if name.endswith(".HEIC"):
        return Written((*_exif_date(photo, "+02:00"), *_exif_place(photo), *facts, *_regions(photo)))
    sidecar = f"{name.rpartition('.')[0]}.xmp"
    if photo.date_in == "sidecar":
        return Written((), sidecar, (*_xmp_date(photo), *_xmp_place(photo), *facts, *people))
    embedded = (*_exif_date(photo, "+02:00"), *_exif_place(photo), *_exif_camera(photo))
    return Written(embedded, sidecar if facts or people else None, (*facts, *people))


def _exif_date(photo: Photo, zone: str | None = None) -> tuple[Tag, ...]:
    if photo.taken_at is None:
        return ()
    tags = [("EXIF:DateTimeOriginal", f"{photo.taken_at:%Y:%m:%d %H:%M:%S}")]
    return (*tags, ("EXIF:OffsetTimeOriginal", zone)) if zone else tuple(tags)


def _xmp_date(photo: Photo) -> tuple[Tag, ...]:
    return () if photo.taken_at is None else (("XMP-photoshop:DateCreated", f"{photo.taken_at:%Y:%m:%d %H:%M:%S}"),)


def _exif_place(photo: Photo) -> tuple[Tag, ...]:
    if photo.gps is None:
        return ()
    latitude, longitude = photo.gps
    return (
        ("EXIF:GPSLatitude", f"{abs(latitude):.6f}"),
        ("EXIF:GPSLatitudeRef", "N" if latitude >= 0 else "S"),
        ("EXIF:GPSLongitude", f"{abs(longitude):.6f}"),
        ("EXIF:GPSLongitudeRef", "E" if longitude >= 0 else "W"),
    )


def _xmp_place(photo: Photo) -> tuple[Tag, ...]:
    if photo.gps is None:
        return ()
    return (
        ("XMP-exif:GPSLatitude", f"{photo.gps[0]:.6f}"),
        ("XMP-exif:GPSLongitude", f"{photo.gps[1]:.6f}"),
    )


def _exif_camera(photo: Photo) -> tuple[Tag, ...]:
    return (("EXIF:Make", photo.camera[0]), ("EXIF:Model", photo.camera[1])) if photo.camera else ()


def _texts(photo: Photo) -> tuple[Tag, ...]:
    tags = [("XMP-dc:Title", photo.title)] if photo.title else []
    return (*tags, ("XMP-dc:Description", photo.description)) if photo.description else tuple(tags)


def _stars(photo: Photo) -> tuple[Tag, ...]:
    tags = [] if photo.rating is None else [("XMP-xmp:Rating", str(photo.rating))]
    return (*tags, ("XMP-xmp:Label", photo.label)) if photo.label else tuple(tags)


def _regions(photo: Photo) -> tuple[Tag, ...]:
    """Faces with names, as the Metadata Working Group defines them (mwg-rs)."""
    if not photo.people:
        return ()
    faces = ",".join(
        f"{{Area={{X={x},Y={y},W=0.2,H=0.25,Unit=normalized}},Name={name},Type=Face}}"
        for name, (x, y) in zip(photo.people, _FACES, strict=False)
    )
    return (("XMP-mwg-rs:RegionInfo", f"{{AppliedToDimensions={{W=224,H=224,Unit=pixel}},RegionList=[{faces}]}}"),)


def _takeout_time(time: datetime) -> dict[str, str]:
    moment = time.replace(tzinfo=timezone.utc)
    return {"timestamp": str(int(moment.timestamp())), "formatted": f"{moment:%b %d, %Y, %I:%M:%S %p} UTC"}


def _number(photo: Photo) -> int:
    """Digits of the name, by which files of a layout take turns."""
    return int("".join(letter for letter in photo.path.rpartition("/")[2] if letter.isdigit()) or 0)
