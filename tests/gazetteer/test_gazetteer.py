"""Names of places: which is nearest, what it is called, and where a name is."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest

from clipsearch.gazetteer import (
    CITY_KM,
    COUNTRY_KM,
    find,
    largest_within,
    names,
    names_one_slip_away,
    near_spellings,
    nearest,
    nearest_many,
    texts,
)
from clipsearch.gazetteer.data import UNITS_A_DEGREE, gazetteer
from clipsearch.gazetteer.folding import fold

# Well-known points, and the beginning of the code that they must have.
POINTS: dict[str, tuple[float, float, str | tuple[str, ...]]] = {
    "Eiffel Tower": (48.8584, 2.2945, "FR/11/2988507"),
    "Louvre": (48.8606, 2.3376, "FR/11/2988507"),
    "Montmartre": (48.8867, 2.3431, "FR/11/2988507"),
    "Versailles": (48.8049, 2.1204, "FR/11/2969679"),
    "Old Port of Marseille": (43.2951, 5.3740, "FR/93/2995469"),
    "Brandenburg Gate": (52.5163, 13.3777, "DE/16/2950159"),
    "Marienplatz": (48.1374, 11.5755, "DE/02/2867714"),
    "Olympic park, Munich": (48.1755, 11.5518, "DE/02/2867714"),
    "Cologne Cathedral": (50.9413, 6.9583, "DE/07/2886242"),
    "Neuschwanstein": (47.5576, 10.7498, "DE/02"),
    "Stephansdom": (48.2085, 16.3731, "AT/09/2761369"),
    "Colosseum": (41.8902, 12.4922, "IT/07/3169070"),
    "St Mark's Square": (45.4342, 12.3388, "IT/20/3164603"),
    "Ponte Vecchio": (43.7680, 11.2531, "IT/16/3176959"),
    "Leaning Tower": (43.7230, 10.3966, "IT/16/3170647"),
    "Sagrada Família": (41.4036, 2.1744, "ES/56/3128760"),
    "Prado": (40.4138, -3.6921, "ES/29/3117735"),
    "Alhambra": (37.1761, -3.5881, "ES/51/2517117"),
    "Belém Tower": (38.6916, -9.2160, "PT/14/2267057"),
    "Big Ben": (51.5007, -0.1246, "GB/ENG/2643743"),
    "Greenwich": (51.4769, -0.0005, "GB/ENG/2643743"),
    "Edinburgh Castle": (55.9486, -3.1999, "GB/SCT/2650225"),
    "Temple Bar": (53.3455, -6.2640, "IE/L/2964574"),
    "Dam Square": (52.3731, 4.8926, "NL/07/2759794"),
    "Grand-Place": (50.8467, 4.3525, "BE/BRU/2800866"),
    "Jet d'Eau": (46.2074, 6.1558, "CH/GE/2660646"),
    "Matterhorn": (45.9764, 7.6586, ("CH/VS", "IT/19")),
    "Charles Bridge": (50.0865, 14.4114, "CZ/52/3067696"),
    "Budapest Parliament": (47.5072, 19.0457, "HU/05/3054643"),
    "Red Square": (55.7539, 37.6208, "RU/48/524901"),
    "Hagia Sophia": (41.0086, 28.9802, "TR/34/745044"),
    "Acropolis": (37.9715, 23.7267, "GR/ESYE31/264371"),
    "Hallgrímskirkja": (64.1417, -21.9266, "IS/39/3413829"),
    "Giza pyramids": (29.9792, 31.1342, "EG"),
    "Table Mountain": (-33.9628, 18.4098, "ZA/11/3369157"),
    "Taj Mahal": (27.1751, 78.0421, "IN/36/1279259"),
    "Gateway of India": (18.9220, 72.8347, "IN/16/1275339"),
    "Forbidden City": (39.9163, 116.3972, "CN/22/1816670"),
    "Shibuya Crossing": (35.6595, 139.7005, "JP/40/1850147"),
    "Kinkaku-ji": (35.0394, 135.7292, "JP/22/1857910"),
    "Marina Bay": (1.2834, 103.8607, "SG"),
    "Sydney Opera House": (-33.8568, 151.2153, "AU/02/2147714"),
    "Bondi Beach": (-33.8915, 151.2767, "AU/02/2147714"),
    "Central Park": (40.7829, -73.9654, "US/NY/5128581"),
    "Coney Island": (40.5749, -73.9859, "US/NY/5128581"),
    "Times Square": (40.7580, -73.9855, "US/NY/5128581"),
    "White House": (38.8977, -77.0365, "US/DC/4140963"),
    "Hollywood Sign": (34.1341, -118.3215, "US/CA/5368361"),
    "Fisherman's Wharf": (37.8080, -122.4177, "US/CA/5391959"),
    "Space Needle": (47.6205, -122.3493, "US/WA/5809844"),
    "CN Tower": (43.6426, -79.3871, "CA/08/6167865"),
    "Zócalo": (19.4326, -99.1332, "MX/09/3530597"),
    "Copacabana": (-22.9711, -43.1822, "BR/21/3451190"),
    "Plaza de Mayo": (-34.6083, -58.3712, "AR/07/3435910"),
    "Machu Picchu": (-13.1631, -72.5450, "PE/08"),
    "Uluru": (-25.3444, 131.0369, "AU/03"),
}


def kilometres(a: tuple[float, float], b: tuple[float, float]) -> float:
    """The spherical law of cosines, which is not the formula that is tested."""
    (p, q), (r, s) = (tuple(map(math.radians, point)) for point in (a, b))
    cosine = math.sin(p) * math.sin(r) + math.cos(p) * math.cos(r) * math.cos(q - s)
    return 6371.0088 * math.acos(max(-1.0, min(1.0, cosine)))


@pytest.mark.parametrize("name", POINTS)
def test_well_known_points_have_their_city(name: str) -> None:
    latitude, longitude, expected = POINTS[name]
    code = nearest(latitude, longitude)
    assert code is not None and code.startswith(expected), names(code or "")


def test_the_nearest_city_is_that_of_a_search_through_all() -> None:
    places = gazetteer()
    cities = list(zip(places.array("latitude").tolist(), places.array("longitude").tolist(), strict=True))
    points = [(46.2, 7.1), (-17.6, 179.98), (-16.9, -179.99), (71.2, 25.8), (-54.8, -68.3), (35.7, 139.7), (78.2, 15.6)]
    for point in points:
        distances = [kilometres(point, (a / UNITS_A_DEGREE, b / UNITS_A_DEGREE)) for a, b in cities]
        row = min(range(len(cities)), key=distances.__getitem__)
        assert distances[row] < CITY_KM
        assert nearest(*point) == places.code_of(row)


def test_many_points_have_the_codes_that_they_have_alone() -> None:
    points = [(48.8 + step / 97, 2.2 + step / 53) for step in range(60)] + [(0.0, -30.0), (-90.0, 0.0), (52.5, 13.4)]
    assert nearest_many(*zip(*points, strict=True)) == [nearest(*point) for point in points]
    assert nearest_many([], []) == []


def test_far_from_cities_only_the_country_is_said_and_far_out_at_sea_nothing() -> None:
    assert nearest(70.0, -45.0) == "GL"
    assert nearest(38.7, -12.0) == "PT"
    assert nearest(0.0, -30.0) is None
    assert nearest(90.0, 0.0) is None and nearest(-90.0, 0.0) is None
    assert (
        nearest(65.0, -140.0) is None
    )  # near the border of Alaska and Yukon: 100 km from any city, and cities of both are near
    assert CITY_KM < COUNTRY_KM


@pytest.mark.parametrize("point", [(91.0, 0.0), (0.0, 181.0), (math.nan, 0.0), (0.0, math.inf)])
def test_a_point_that_is_not_on_earth_is_an_error(point: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="latitudes go from -90"):
        nearest(*point)


def test_a_code_has_names_in_a_language() -> None:
    assert str(names("FR/11/2988507")) == "Paris, Île-de-France, France"
    german = names("DE/02/2867714", "de")
    assert (german.city, german.region, german.country) == ("Munich", "Bayern", "Deutschland")
    assert names("DE/02").region == "Bavaria" and names("DE/02").city is None
    assert names("JP", "ja").country == "日本" and names("JP", "xx").country == "Japan"
    montmartre = names("FR/11/2988507/3029374")
    assert montmartre.city == "Paris" and "Montmartre" in str(montmartre.section)


def test_a_code_that_is_not_known_has_no_names() -> None:
    for code in ("", "XX", "FR/zz/1", "FR/11/1", "FR/11/x", "/", "FR/11/٣"):
        assert names(code).city is None
    assert str(names("")) == "" and texts("XX") == ()


def test_a_tower_of_tokyo_is_found_by_its_city_its_region_and_its_country_as_people_there_say() -> None:
    assert {"Tokyo", "東京都", "Japan", "日本"} <= set(texts("JP/40/1850147"))


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("Munich", "DE/02/2867714"), ("münchen", "DE/02/2867714"), ("MUNCHEN", "DE/02/2867714"),
        ("Monaco di Baviera", "DE/02/2867714"), ("Firenze", "IT/16/3176959"), ("Florenz", "IT/16/3176959"),
        ("東京", "JP/40/1850147"), ("Tokio", "JP/40/1850147"), ("Kreta", "GR/ESYE43"), ("Wien", "AT/09/2761369"),
        ("Bayern", "DE/02"), ("Baviera", "DE/02"), ("Toscana", "IT/16"), ("Kalifornien", "US/CA"), ("Sizilien", "IT/15"),
        ("Deutschland", "DE"), ("États-Unis", "US"), ("Italien", "IT"), ("日本", "JP"), ("USA", "US"), ("UK", "GB"),
        ("Montmartre", "FR/11/2988507/3029374"), ("NYC", "US/NY/5128581"), ("St Petersburg", "RU/66/498817"),
    ],
)  # fmt: skip
def test_a_place_is_found_in_many_languages(name: str, code: str) -> None:
    assert code in [place.code for place in find(name)]


def test_the_places_of_a_name_begin_with_the_largest() -> None:
    labels = [place.label for place in find("paris")]
    assert labels[:2] == ["Paris, Île-de-France, France", "Paris, Texas, United States"]
    assert not any("Parys" in label for label in labels), (
        "its other name is Paris, but much larger places have that name"
    )


@pytest.mark.parametrize("name", ["Paris, Texas", "paris, tx", "Paris, Texas, USA", "Paris Texas"])
def test_a_region_or_country_behind_a_name_chooses_among_places(name: str) -> None:
    assert [place.label for place in find(name)] == ["Paris, Texas, United States"]


def test_a_code_is_not_a_name_and_a_place_is_not_in_itself() -> None:
    assert "US/TX" not in [place.code for place in find("tx")]
    assert find("Paris, Xyzzy") == [] and find("") == [] and find(" , ") == [] and find("x" * 10_000) == []
    assert [place.code for place in find("Springfield, Illinois")] == ["US/IL/4250542"]


def test_similar_names_are_suggested() -> None:
    assert near_spellings("Barcelna")[0] == "Barcelona"
    assert near_spellings("Pariss")[0] == "Paris"
    assert near_spellings("Itlay")[0] == "Italy"  # a swap is one mistake, and "Itasy" would be two
    assert near_spellings("Prais")[0] == "Paris"  # of several with one mistake, the largest
    assert near_spellings("xyzzyx") == [] and near_spellings("") == []


@pytest.mark.parametrize(
    ("name", "meant"),
    [("Munchen", "Munich"), ("Muenchn", "Munich"), ("Bayrn", "Bavaria"), ("Cologn", "Köln"), ("Deutchland", "Germany")],
)
def test_a_place_is_suggested_by_its_names_in_other_languages(name: str, meant: str) -> None:
    assert near_spellings(name)[0] == meant and near_spellings(name).count(meant) == 1


def test_names_are_compared_without_case_accents_and_punctuation() -> None:
    assert fold("  Sankt-Pölten ") == "sankt polten" and fold("L'Aquila") == "laquila" and fold("Łódź") == "lodz"
    assert fold("Weißenfels") == fold("WEISSENFELS")


def test_importing_the_gazetteer_opens_no_file() -> None:
    code = "import clipsearch.gazetteer as g, clipsearch.gazetteer.data as d; print(d.gazetteer.cache_info().currsize)"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "0"
    )


def test_the_largest_places_of_a_rectangle_are_spread_over_it():
    everywhere = largest_within(-90, -180, 90, 180, 60)
    assert len(everywhere) == 60 and everywhere[0].population > 1e7
    assert [place.population for place in everywhere] == sorted(
        (place.population for place in everywhere), reverse=True
    )
    for continent in (
        (0, -20, 72, 40),
        (-35, 10, 15, 50),
        (10, -130, 60, -60),
        (-45, 110, -10, 155),
        (-55, -80, 10, -35),
    ):
        inside = [
            place
            for place in everywhere
            if continent[0] <= place.latitude <= continent[2] and continent[1] <= place.longitude <= continent[3]
        ]
        assert inside, continent
    assert largest_within(47, 11, 48.5, 12, 5)[0].name == "Munich"
    assert largest_within(-0.5, -30.5, 0.5, -29.5, 5) == []  # the Atlantic
    around = largest_within(-19, 179, -16, -179, 9)
    assert around and all(abs(place.longitude) > 178.9 for place in around)


def test_a_name_one_slip_away_is_written_as_the_first_place_has_it():
    codes = [next(place.code for place in find("Berlin") if place.code.startswith(country)) for country in ("DE", "SV")]
    assert names_one_slip_away("Berlni", codes) == ["Berlin"] != names_one_slip_away("Berlni", codes[::-1])
    assert names_one_slip_away("Berlin", codes) == names_one_slip_away("Brlni", codes) == []
