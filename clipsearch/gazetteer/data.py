"""The file of the gazetteer, mapped into memory. `tools/make_gazetteer.py` makes it.

It is a safetensors file. Cities are rows; they are sorted by bands of latitude, and within a band by longitude.

latitude, longitude     int32, in UNITS_A_DEGREE
population, id          uint32; the id is GeoNames'
region                  uint16, a row of the regions
section, section_of     uint32, the rows that are sections of a city, sorted, and the rows of these cities
by_name                 uint32, the rows sorted by their folded names
band                    uint32, the first row of each band, and the number of rows
city_name               texts
region_code             texts, "FR/11", sorted
region_name             texts, those of the first language, then those of the second, ...; "" if it is not known
region_own_name         texts, in the first language of the country
region_population, country_population   uint32
country_code, country_language, country_name   texts, the last in the order of region_name
key, key_place          texts, sorted: other folded names; uint32: the kind of the place, and its row

Texts are two arrays, `.text` (UTF-8) and `.bytes` (uint8), how long each text is.
"""

from __future__ import annotations

import json
import mmap
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FILE = Path(__file__).with_name("places.safetensors")
VERSION = 1
"""It changes with the names in the file: an index has them among the words of its photos."""

BANDS_A_DEGREE = 2
UNITS_A_DEGREE = 1000  # 111 metres; a city is larger
CITY, REGION, COUNTRY = 0, 1, 2
KIND_SHIFT = 30
_TYPES = {"U8": np.uint8, "U16": np.uint16, "U32": np.uint32, "I32": np.int32}


class Texts:
    """A sequence of texts."""

    def __init__(self, text: NDArray[np.uint8], lengths: NDArray[np.uint8]) -> None:
        self._text, self.ends = text, np.cumsum(lengths, dtype=np.int64)

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, index: int) -> str:
        start = self.ends[index - 1] if index else 0
        return self._text[start : self.ends[index]].tobytes().decode()


class Gazetteer:
    """The arrays of the file. Only the pages that are read take memory."""

    def __init__(self, path: Path) -> None:
        with open(path, "rb") as stream:
            self._map = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        length = int.from_bytes(self._map[:8], "little")
        self._header = json.loads(self._map[8 : 8 + length])
        self._start = 8 + length
        metadata = self._header["__metadata__"]
        self.languages: list[str] = metadata["languages"].split()
        self.region_languages: list[str] = metadata["region_languages"].split()
        self.band: list[int] = self.array("band").tolist()

    @cache  # noqa: B019, there is one gazetteer, and it lives as long as the process
    def array(self, name: str) -> NDArray[Any]:
        """One of the arrays."""
        entry = self._header[name]
        dtype = np.dtype(_TYPES[entry["dtype"]])
        start, end = entry["data_offsets"]
        return np.frombuffer(self._map, dtype, (end - start) // dtype.itemsize, self._start + start)

    @cache  # noqa: B019
    def texts(self, name: str) -> Texts:
        """One of the sequences of texts."""
        return Texts(self.array(f"{name}.text"), self.array(f"{name}.bytes"))

    def row_of(self, city: int) -> int | None:
        """The row of a GeoNames id; None if the file does not have it."""
        rows = np.flatnonzero(self.array("id") == city)
        return int(rows[0]) if len(rows) else None

    def whole(self, row: int) -> int:
        """The row of the city that a section belongs to. A city's row is its own."""
        sections = self.array("section")
        place = int(np.searchsorted(sections, np.uint32(row)))
        return int(self.array("section_of")[place]) if place < len(sections) and sections[place] == row else row

    @cache  # noqa: B019
    def code_of(self, row: int) -> str:
        """The code of a city, "FR/11/2988507", or of a section of one, "FR/11/2988507/3029374"."""
        whole, ids = self.whole(row), self.array("id")
        code = f"{self.texts('region_code')[int(self.array('region')[whole])]}/{ids[whole]}"
        return code if whole == row else f"{code}/{ids[row]}"


@cache
def gazetteer() -> Gazetteer:
    """The gazetteer of the package."""
    return Gazetteer(FILE)
