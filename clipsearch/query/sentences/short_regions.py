"""Short names of states and provinces, as they follow a city: "Portland, OR", "Cambridge, Mass.", "London, ON".

Louisiana is not among them, as LA is rather Los Angeles.
"""

_NAMES = (
    "Alabama AL Ala, Alaska AK, Arizona AZ Ariz, Arkansas AR Ark, California CA Calif Cal, Colorado CO Colo, "
    "Connecticut CT Conn, Delaware DE Del, Florida FL Fla, Georgia GA, Hawaii HI, Idaho ID, Illinois IL Ill, "
    "Indiana IN Ind, Iowa IA, Kansas KS Kans Kan, Kentucky KY, Maine ME, Maryland MD, "
    "Massachusetts MA Mass, Michigan MI Mich, Minnesota MN Minn, Mississippi MS Miss, Missouri MO, Montana MT Mont, "
    "Nebraska NE Neb Nebr, Nevada NV Nev, New Hampshire NH, New Jersey NJ, New Mexico NM, New York NY, "
    "North Carolina NC, North Dakota ND, Ohio OH, Oklahoma OK Okla, Oregon OR Ore, Pennsylvania PA Penn Penna, "
    "Rhode Island RI, South Carolina SC, South Dakota SD, Tennessee TN Tenn, Texas TX Tex, Utah UT, Vermont VT, "
    "Virginia VA, Washington WA Wash, West Virginia WV, Wisconsin WI Wis Wisc, Wyoming WY Wyo, "
    "Ontario ON Ont, British Columbia BC, Quebec QC Que, Alberta AB Alta, Manitoba MB Man, Saskatchewan SK Sask, "
    "Nova Scotia NS, New Brunswick NB, New South Wales NSW, Queensland QLD, Tasmania TAS"
)


def _short_names() -> dict[str, str]:
    short: dict[str, str] = {}
    for entry in _NAMES.split(", "):
        words = entry.split()
        # The full name ends before the code, the first word in capital letters.
        count = next(number for number, word in enumerate(words) if word.isupper())
        short |= dict.fromkeys(words[count:], " ".join(words[:count]))
    return short


REGIONS = _short_names()
"""A short name, without a full stop, and the name that it is short for."""
