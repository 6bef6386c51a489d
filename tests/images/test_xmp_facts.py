"""XMP packets in the forms that programs write, and broken or hostile ones."""

from datetime import datetime, timedelta, timezone

import pytest

from clipsearch.images.facts import Facts
from clipsearch.images.xmp_facts import read_xmp

NAMES = " ".join(
    f'xmlns:{prefix}="{name}"'
    for prefix, name in {
        "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
        "dc": "http://purl.org/dc/elements/1.1/",
        "exif": "http://ns.adobe.com/exif/1.0/",
        "xmp": "http://ns.adobe.com/xap/1.0/",
        "photoshop": "http://ns.adobe.com/photoshop/1.0/",
        "tiff": "http://ns.adobe.com/tiff/1.0/",
        "lr": "http://ns.adobe.com/lightroom/1.0/",
        "MicrosoftPhoto": "http://ns.microsoft.com/photo/1.0/",
        "mwg-rs": "http://www.metadataworkinggroup.com/schemas/regions/",
        "ext": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
        "darktable": "http://darktable.sf.net/",
    }.items()
)


def packet(content="", attributes=""):
    return (
        f'<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF {NAMES}>'
        f'<rdf:Description rdf:about="" {attributes}>{content}</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()


def read(content="", attributes=""):
    return read_xmp(packet(content, attributes), "xmp")


def test_simple_values_may_be_attributes_or_elements():
    expected = Facts("xmp", taken_at=datetime(2024, 7, 1, 12, 30), rating=3, label="Red", camera="Canon EOS 5D")
    assert expected == read(
        attributes='exif:DateTimeOriginal="2024-07-01T12:30" xmp:Rating="3" xmp:Label="Red" tiff:Make="Canon" '
        'tiff:Model="EOS 5D"'
    )
    assert expected == read(
        "<exif:DateTimeOriginal>2024-07-01T12:30:00.25</exif:DateTimeOriginal><xmp:Rating> 3 </xmp:Rating><xmp:Label>Red"
        "</xmp:Label><tiff:Make>Canon</tiff:Make><tiff:Model>EOS 5D</tiff:Model>"
    )


def test_several_descriptions_are_one_photo():
    content = packet(
        '</rdf:Description><rdf:Description xmp:Rating="2"><dc:title>A title</dc:title>', 'xmp:Label="Red"'
    )
    assert read_xmp(content, "sidecar") == Facts("sidecar", title="A title", rating=2, label="Red")


def test_the_title_is_in_the_default_language():
    alternatives = "".join(
        f'<rdf:li xml:lang="{language}">{text}</rdf:li>'
        for language, text in [("de-DE", "Ein Titel"), ("x-default", "A title"), ("fr-FR", "Un titre")]
    )
    assert read(f"<dc:title><rdf:Alt>{alternatives}</rdf:Alt></dc:title>").title == "A title"
    assert read('<dc:title><rdf:Alt><rdf:li xml:lang="de">Ein Titel</rdf:li></rdf:Alt></dc:title>').title == "Ein Titel"


def test_keywords_are_those_of_all_lists_and_each_level_is_one():
    facts = read(
        "<dc:subject><rdf:Seq><rdf:li>Lake</rdf:li><rdf:li>AC/DC</rdf:li></rdf:Seq></dc:subject>"
        "<lr:hierarchicalSubject><rdf:Bag><rdf:li>Places|France| Paris </rdf:li></rdf:Bag></lr:hierarchicalSubject>"
        "<MicrosoftPhoto:LastKeywordXMP><rdf:Bag><rdf:li>places/Italy</rdf:li></rdf:Bag></MicrosoftPhoto:LastKeywordXMP>"
    )
    assert facts.keywords == ("Lake", "AC/DC", "Places", "France", "Paris", "Italy")


@pytest.mark.parametrize(
    "region",
    [
        '<rdf:li mwg-rs:Name="Anna" mwg-rs:Type="Face"/>',
        '<rdf:li><rdf:Description mwg-rs:Name="Anna" mwg-rs:Type="Face"/></rdf:li>',
        '<rdf:li rdf:parseType="Resource"><mwg-rs:Name>Anna</mwg-rs:Name></rdf:li>',
        "<rdf:li><rdf:Description><mwg-rs:Name>Anna</mwg-rs:Name><mwg-rs:Type>Face</mwg-rs:Type></rdf:Description></rdf:li>",
    ],
)
@pytest.mark.parametrize("wrapper", ["<rdf:Description>{}</rdf:Description>", "{}"])
def test_the_names_of_faces_are_found_however_the_regions_are_written(region, wrapper):
    pet = '<rdf:li mwg-rs:Name="Rex" mwg-rs:Type="Pet"/>'
    regions = f"<mwg-rs:RegionList><rdf:Bag>{region}{pet}</rdf:Bag></mwg-rs:RegionList>"
    assert read(f"<mwg-rs:Regions>{wrapper.format(regions)}</mwg-rs:Regions>").people == ("Anna",)


def test_people_are_also_named_without_regions():
    facts = read(
        "<ext:PersonInImage><rdf:Bag><rdf:li>Anna</rdf:li></rdf:Bag></ext:PersonInImage>"
        '<ext:PersonInImageWDetails><rdf:Bag><rdf:li rdf:parseType="Resource"><ext:PersonName><rdf:Alt>'
        '<rdf:li xml:lang="x-default">Ben</rdf:li></rdf:Alt></ext:PersonName></rdf:li></rdf:Bag></ext:PersonInImageWDetails>'
    )
    assert facts.people == ("Anna", "Ben")


@pytest.mark.parametrize(
    ("latitude", "longitude", "expected"),
    [
        ("48,51.5N", "2,17.64W", (48.8583333, -2.294)),
        ("48,51,30N", "2,17,38E", (48.8583333, 2.2938889)),
        ("33.85S", "151.2E", (-33.85, 151.2)),
        ("-33.85", "+151.2", (-33.85, 151.2)),
        ("0,0N", "0,0E", None),
        ("91,0N", "0,1E", None),
        ("48,51.5N", "", None),
        ("N", "E", None),
        ("1e5N", "nanE", None),
    ],
)
def test_places_are_read_in_xmps_notations(latitude, longitude, expected):
    assert read(attributes=f'exif:GPSLatitude="{latitude}" exif:GPSLongitude="{longitude}"').gps == expected


def test_dates_are_taken_in_the_order_of_their_meaning_and_keep_their_zone():
    attributes = 'xmp:CreateDate="2003-01-01" photoshop:DateCreated="2002-01-01" exif:DateTimeOriginal="{}"'
    assert read(attributes=attributes.format("2001-01-01T10:00:00-03:00")).taken_at == datetime(
        2001, 1, 1, 10, tzinfo=timezone(timedelta(hours=-3))
    )
    assert read(attributes=attributes.format("")).taken_at == datetime(2002, 1, 1)
    assert read(attributes='xmp:ModifyDate="2003-01-01"').taken_at is None


def test_ratings_and_labels_of_other_programs_are_read():
    assert read(attributes='xmp:Rating="-1"').rating == -1
    assert read(attributes='MicrosoftPhoto:Rating="50"').rating == 3
    assert read(attributes='MicrosoftPhoto:Rating="50" xmp:Rating="5"').rating == 5
    assert read("<darktable:colorlabels><rdf:Seq><rdf:li>2</rdf:li></rdf:Seq></darktable:colorlabels>").label == "Green"


def test_a_value_with_a_qualifier_is_read():
    qualified = "<rdf:Description><rdf:value>Lake</rdf:value><xmp:Label>x</xmp:Label></rdf:Description>"
    assert read(f"<dc:subject><rdf:Bag><rdf:li>{qualified}</rdf:li></rdf:Bag></dc:subject>").keywords == ("Lake",)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.decode().encode("utf-16"),
        lambda data: b"\xef\xbb\xbf" + data,
        lambda data: b"\0\0 \n" + data + b"\0" * 2000,
        lambda data: data + b"<rest of a longer, older packet",
        lambda data: data.replace("Äpfel".encode(), b"\xc4pfel \x01&#x0;&#11;").replace(b"xmp:Label", b"xmp:Label"),
        lambda data: (
            b'<?xml version="1.0" encoding="ISO-8859-1"?>'
            + data[data.index(b"<x:") :].decode().encode("latin-1", "ignore")
        ),
    ],
    ids=["UTF-16", "byte order mark", "padding", "rest", "forbidden characters", "Latin-1"],
)
def test_odd_encodings_and_rests_are_no_trouble(change):
    facts = read_xmp(
        change(packet("<dc:subject><rdf:Bag><rdf:li>Äpfel</rdf:li></rdf:Bag></dc:subject>", 'xmp:Rating="4"')), "xmp"
    )
    assert facts.rating == 4
    assert facts.keywords[0].endswith("pfel")


BILLION = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>' + packet(
    "<dc:title>&b;</dc:title>"
)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (BILLION, "DOCTYPE"),
        (b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>', "DOCTYPE"),
        (packet("<dc:title>" * 1000 + "</dc:title>" * 1000), "too many elements, or too many inside each other"),
        (packet("<dc:title/>" * 200_001), "too many elements"),
        (b"<" * 8_000_001, "larger than 8 MB"),
        (packet()[:-60], "no XML that can be read"),
        (b"<html/>", "holds no XMP"),
        (b"", "no XML that can be read"),
        (b"GIF89a", "no XML that can be read"),
    ],
    ids=range(9),
)
def test_hostile_and_broken_packets_are_refused(content, problem):
    with pytest.raises(ValueError, match=problem):
        read_xmp(content, "xmp")


def test_values_are_cleaned_and_limited():
    subjects = "".join(f"<rdf:li>{number} {'x' * 1000}</rdf:li>" for number in range(2000))
    facts = read(
        f"<dc:subject><rdf:Bag>{subjects}</rdf:Bag></dc:subject><dc:title>{'t' * 9999}</dc:title>"
        "<dc:description>&lt;script&gt;\n\u202e red</dc:description>"
    )
    assert (len(facts.keywords), max(map(len, facts.keywords)), len(facts.title)) == (1000, 200, 2000)
    assert facts.description == "<script> red"


def test_properties_of_the_wrong_shape_say_nothing():
    facts = read(
        "<dc:title><rdf:Bag/></dc:title><dc:subject><rdf:Bag><rdf:li/></rdf:Bag></dc:subject><mwg-rs:Regions>x</mwg-rs:Regions>"
        "<xmp:Rating><rdf:Seq><rdf:li>x</rdf:li></rdf:Seq></xmp:Rating><exif:DateTimeOriginal><dc:title/></exif:DateTimeOriginal>"
    )
    assert facts == Facts("xmp")
