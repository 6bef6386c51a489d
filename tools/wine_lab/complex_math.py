"""Put a small DLL between numpy and Wine's C runtime, with the complex functions that the runtime lacks.

numpy's extension modules are made to import it in place of the system's `api-ms-win-crt-math-l1-1-0.dll`: it has the complex
functions itself and passes the others on to the runtime.
"""

from __future__ import annotations

import re
import struct
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("complex_math.c")
_SYSTEMS = b"api-ms-win-crt-math-l1-1-0.dll"
_OURS = b"clipsearch-crt-math-l1-1-0.dll"  # names of equal length, so that one can replace the other in a file
_COMPLEX = re.compile(
    r"c(a?(cos|sin|tan)h?|exp|log|sqrt|pow|onj|proj|abs|arg|imag|real)[fl]?"
)  # the functions in complex_math.c


def put_between(numpy: Path) -> None:
    """Build the DLL beside each extension module below `numpy` that needs it, and have the module import it."""
    modules = [path for path in sorted(numpy.rglob("*.pyd")) if _SYSTEMS in path.read_bytes()]
    names = sorted({name for path in modules for name in imported(path, _SYSTEMS.decode())})
    for path in modules:
        if any(map(_COMPLEX.fullmatch, names)):
            _build(path.with_name(_OURS.decode()), names)
            path.write_bytes(path.read_bytes().replace(_SYSTEMS, _OURS))


def _build(library: Path, names: list[str]) -> None:
    if library.exists():
        return
    exports = library.with_suffix(".def")
    lines = [f"{name} = wine_{name}" if _COMPLEX.fullmatch(name) else f"{name} = ucrtbase.{name}" for name in names]
    exports.write_text("\n".join([f"LIBRARY {library.name}", "EXPORTS", *lines, ""]))
    command = ["x86_64-w64-mingw32-gcc", "-O2", "-shared", "-static", "-o", library, SOURCE, exports]
    subprocess.run(command, check=True)


def imported(path: Path, library: str) -> list[str]:
    """The names that a 64-bit PE file imports from a library (Microsoft's PE format, "The .idata Section")."""
    data = path.read_bytes()
    header = _number(data, 0x3C)
    sections, optional = _number(data, header + 6, "<H"), header + 24
    table = optional + _number(data, header + 20, "<H")
    areas = [struct.unpack_from("<IIII", data, table + 40 * number + 8) for number in range(sections)]

    def place(address: int) -> int:
        for size, start, _, at in areas:
            if start <= address < start + size:
                return int(address - start + at)
        raise ValueError(f"{path}: no section holds the address {address:#x}")

    def text(at: int) -> str:
        return data[at : data.index(b"\0", at)].decode("ascii")

    names: list[str] = []
    entry = place(_number(data, optional + 112 + 8))
    while name := _number(data, entry + 12):
        if text(place(name)).lower() == library.lower():
            thunk = place(_number(data, entry))
            while value := _number(data, thunk, "<Q"):
                if not value >> 63:  # otherwise it is imported by its number
                    names.append(text(place(value) + 2))
                thunk += 8
        entry += 20
    return names


def _number(data: bytes, at: int, kind: str = "<I") -> int:
    return int(struct.unpack_from(kind, data, at)[0])
