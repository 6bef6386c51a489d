"""What the invented library is about: cities, people, occasions and what photos show. All of it is written from memory."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class City:
    """A city, the names by which people ask for it, and its centre in degrees (WGS 84)."""

    name: str
    region: str
    country: str
    latitude: float
    longitude: float
    others: tuple[str, ...] = ()  # names in other languages


CITIES = (
    City("Paris", "Île-de-France", "France", 48.8566, 2.3522, ("Parigi", "巴黎", "Париж")),
    City("Lyon", "Auvergne-Rhône-Alpes", "France", 45.7600, 4.8400, ("Lione",)),
    City("Marseille", "Provence-Alpes-Côte d'Azur", "France", 43.2965, 5.3790, ("Marsiglia", "Marsella")),
    City("Nice", "Provence-Alpes-Côte d'Azur", "France", 43.7034, 7.2663, ("Nizza", "Niza")),
    City("Strasbourg", "Grand Est", "France", 48.5839, 7.7455, ("Straßburg",)),
    City("Munich", "Bavaria", "Germany", 48.1374, 11.5755, ("München", "Monaco di Baviera", "Múnich")),
    City("Nuremberg", "Bavaria", "Germany", 49.4539, 11.0773, ("Nürnberg", "Norimberga")),
    City("Berlin", "Berlin", "Germany", 52.5200, 13.4050, ("Berlín", "Берлин")),
    City("Hamburg", "Hamburg", "Germany", 53.5500, 10.0000, ("Hambourg", "Amburgo")),
    City("Cologne", "North Rhine-Westphalia", "Germany", 50.9384, 6.9599, ("Köln", "Colonia")),
    City("Dresden", "Saxony", "Germany", 51.0504, 13.7373, ("Dresde", "Drážďany")),
    City("Vienna", "Vienna", "Austria", 48.2085, 16.3721, ("Wien", "Vienne", "Viena")),
    City("Salzburg", "Salzburg", "Austria", 47.7994, 13.0440, ("Salzbourg", "Salisburgo")),
    City("Zürich", "Zurich", "Switzerland", 47.3667, 8.5500, ("Zurich", "Zurigo")),
    City("Geneva", "Geneva", "Switzerland", 46.2022, 6.1457, ("Genève", "Genf", "Ginevra")),
    City("Rome", "Lazio", "Italy", 41.8919, 12.5113, ("Roma", "Rom")),
    City("Florence", "Tuscany", "Italy", 43.7793, 11.2463, ("Firenze", "Florenz", "Florencia")),
    City("Venice", "Veneto", "Italy", 45.4371, 12.3326, ("Venezia", "Venedig", "Venise")),
    City("Naples", "Campania", "Italy", 40.8522, 14.2681, ("Napoli", "Neapel")),
    City("Lisbon", "Lisbon", "Portugal", 38.7169, -9.1399, ("Lisboa", "Lissabon", "Lisbonne")),
    City("Porto", "Porto", "Portugal", 41.1496, -8.6110, ("Oporto",)),
    City("Madrid", "Madrid", "Spain", 40.4165, -3.7026, ("Мадрид",)),
    City("Barcelona", "Catalonia", "Spain", 41.3888, 2.1590, ("Barcelone", "Barcellona")),
    City("Valencia", "Valencia", "Spain", 39.4698, -0.3774, ("València",)),
    City("Seville", "Andalusia", "Spain", 37.3828, -5.9732, ("Sevilla", "Siviglia")),
    City("Amsterdam", "North Holland", "Netherlands", 52.3740, 4.8897, ("Амстердам",)),
    City("Antwerp", "Flanders", "Belgium", 51.2205, 4.4003, ("Antwerpen", "Anvers")),
    City("Copenhagen", "Capital Region", "Denmark", 55.6759, 12.5655, ("København", "Kopenhagen")),
    City("Bergen", "Vestland", "Norway", 60.3929, 5.3241),
    City("Stockholm", "Stockholm", "Sweden", 59.3294, 18.0687, ("Estocolmo",)),
    City("Helsinki", "Uusimaa", "Finland", 60.1695, 24.9354, ("Helsingfors",)),
    City("Reykjavík", "Capital Region", "Iceland", 64.1355, -21.8954, ("Reykjavik",)),
    City("Prague", "Prague", "Czechia", 50.0880, 14.4208, ("Praha", "Prag", "Praga")),
    City("Kraków", "Lesser Poland", "Poland", 50.0614, 19.9366, ("Krakau", "Cracow")),
    City("Warsaw", "Mazovia", "Poland", 52.2298, 21.0118, ("Warszawa", "Warschau")),
    City("Budapest", "Budapest", "Hungary", 47.4980, 19.0399),
    City("Athens", "Attica", "Greece", 37.9838, 23.7278, ("Αθήνα", "Athen", "Athènes")),
    City("Istanbul", "Istanbul", "Turkey", 41.0138, 28.9497, ("İstanbul", "Estambul")),
    City("London", "England", "United Kingdom", 51.5085, -0.1257, ("Londres", "Londra", "Londen")),
    City("Cambridge", "England", "United Kingdom", 52.2053, 0.1192),
    City("Edinburgh", "Scotland", "United Kingdom", 55.9521, -3.1965, ("Édimbourg", "Edimburgo")),
    City("Cardiff", "Wales", "United Kingdom", 51.4800, -3.1800, ("Caerdydd",)),
    City("Dublin", "Leinster", "Ireland", 53.3331, -6.2489, ("Baile Átha Cliath",)),
    City("New York City", "New York", "United States", 40.7143, -74.0060, ("Nueva York",)),
    City("Boston", "Massachusetts", "United States", 42.3584, -71.0598),
    City("Cambridge", "Massachusetts", "United States", 42.3751, -71.1056),
    City("Paris", "Texas", "United States", 33.6609, -95.5555),
    City("San Francisco", "California", "United States", 37.7749, -122.4194),
    City("Chicago", "Illinois", "United States", 41.8500, -87.6500),
    City("Toronto", "Ontario", "Canada", 43.7001, -79.4163),
    City("London", "Ontario", "Canada", 42.9834, -81.2330),
    City("Vancouver", "British Columbia", "Canada", 49.2497, -123.1193),
    City("Mexico City", "Mexico City", "Mexico", 19.4285, -99.1277, ("Ciudad de México",)),
    City("Rio de Janeiro", "Rio de Janeiro", "Brazil", -22.9064, -43.1822),
    City("Buenos Aires", "Buenos Aires F.D.", "Argentina", -34.6131, -58.3772),
    City("Cape Town", "Western Cape", "South Africa", -33.9258, 18.4232, ("Kapstadt", "Kaapstad")),
    City("Marrakesh", "Marrakesh-Safi", "Morocco", 31.6342, -7.9999, ("Marrakech", "مراكش")),
    City("Cairo", "Cairo", "Egypt", 30.0626, 31.2497, ("Kairo", "القاهرة")),
    City("Mumbai", "Maharashtra", "India", 19.0728, 72.8826, ("मुंबई", "Bombay")),
    City("Bangkok", "Bangkok", "Thailand", 13.7540, 100.5014),
    City("Tokyo", "Tokyo", "Japan", 35.6895, 139.6917, ("東京", "Tokio")),
    City("Kyoto", "Kyoto", "Japan", 35.0211, 135.7538, ("京都",)),
    City("Seoul", "Seoul", "South Korea", 37.5660, 126.9784, ("서울",)),
    City("Shanghai", "Shanghai", "China", 31.2222, 121.4581, ("上海",)),
    City("Sydney", "New South Wales", "Australia", -33.8678, 151.2073),
    City("Auckland", "Auckland", "New Zealand", -36.8485, 174.7635),
)

PEOPLE = (
    "Anna Schmidt", "Anna-Lena Vogt", "Ben Carter", "Zoë Meyer", "José García", "Søren Nielsen", "Мария Иванова",
    "田中陽子", "Grandpa Joe", "Mum", "Łukasz Nowak", "Amélie Dubois", "Priya Patel", "Tom", "Ελένη Παππά",
)  # fmt: skip

OCCASIONS: tuple[tuple[str, str, tuple[int, int], int, tuple[str, ...]], ...] = (
    ("Summer holiday", "Holidays", (6, 8), 9, ("Our hotel by the harbour", "First swim of the year", "Ferry to the island")),
    ("City break", "Holidays", (3, 11), 3, ("Walking tour with the umbrella man", "Breakfast on the roof terrace")),
    ("Ski trip", "Holidays", (1, 3), 5, ("Blue run down to the valley", "Après-ski at the Murmeltier hut")),
    ("Golden wedding", "Family", (4, 10), 1, ("Speech by Uncle Herbert", "Fifty years and still dancing")),
    ("Birthday party", "Family", (1, 12), 1, ("Blowing out the candles", "The cake in the shape of a submarine")),
    ("Christmas", "Family", (12, 12), 2, ("Carols at the piano", "Too many presents under the fir")),
    ("Family reunion", "Family", (5, 9), 2, ("Cousins from overseas", "The great croquet tournament")),
    ("Half marathon", "Sports", (4, 10), 1, ("Kilometre nineteen", "Medal ceremony")),
    ("Club championship", "Sports", (3, 10), 2, ("Penalty in the last minute", "The trophy goes to the visitors")),
    ("Hiking weekend", "Outdoors", (5, 10), 3, ("Wrong turn at the chapel", "Marmots above the glacier")),
    ("School fair", "Kindergarten and school", (5, 7), 1, ("Lemonade stand of class 4b", "Sack race")),
    ("Street carnival", "Festivals", (2, 3), 2, ("Confetti in every pocket", "The brass band from Basel")),
    ("Christmas market", "Festivals", (11, 12), 1, ("Roasted almonds", "Lanterns on the square")),
    ("Open-air concert", "Festivals", (6, 9), 1, ("Encore in the rain", "Front row at the cello concerto")),
    ("Garden project", "Home", (3, 10), 6, ("New raised beds", "Compost, third attempt")),
    ("House move", "Home", (1, 12), 4, ("Forty-two boxes", "Piano on the stairs")),
)  # fmt: skip
"""Name, its group in a hierarchy of keywords, the months of it (first, last), its days, and titles of photos."""

SUBJECTS: dict[str, tuple[str, ...]] = {
    "dog": ("dog", "dogs", "puppy"), "snow": ("snow", "snowy", "snowboarder", "skier", "sled"),
    "beach": ("beach", "sand", "shore"), "bicycle": ("bike", "bicycle", "bikes", "biker", "cyclist", "bicycles"),
    "soccer": ("soccer",), "basketball": ("basketball",), "horse": ("horse", "horses"), "tennis": ("tennis",),
    "swimming pool": ("pool",), "skateboard": ("skateboard", "skateboarder", "skateboarding"),
    "baby": ("baby", "infant", "toddler"), "mountain": ("mountain", "mountains"), "boat": ("boat", "kayak", "canoe"),
    "motorcycle": ("motorcycle", "motorbike"), "climbing": ("climbing", "climber", "climbs"),
    "surfing": ("surfer", "surfboard", "surfing"), "fountain": ("fountain",), "guitar": ("guitar",),
    "bird": ("bird", "birds"), "ice hockey": ("hockey",),
}  # fmt: skip
"""What a photo shows if three of its five captions have one of the words."""

CAMERAS = (("Canon", "Canon EOS 80D"), ("NIKON CORPORATION", "NIKON D750"), ("SONY", "ILCE-7M3"), ("FUJIFILM", "X-T3"))
PHONES = (("Google", "Pixel 3"), ("samsung", "SM-G973F"), ("Xiaomi", "Mi 9T"))
LABELS = ("Red", "Yellow", "Green", "Blue", "Purple")
