"""ICC profiles of colour spaces of photos, made from their definitions: ICC.1:2001-04, matrix and curves."""

import struct

# Chromaticities of red, green and blue, the white point, and the exponent of the curve. Sources: Adobe RGB (1998); SMPTE EG
# 432-1 with the curve of sRGB taken as 2.2; ISO 22028-2 (ROMM RGB); IEC 61966-2-1.
SPACES = {
    "AdobeRGB": ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06), (0.3127, 0.329), 563 / 256),
    "Display P3": ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06), (0.3127, 0.329), 2.2),
    "ProPhoto": ((0.7347, 0.2653), (0.1596, 0.8404), (0.0366, 0.0001), (0.3457, 0.3585), 1.8),
    "sRGB by another name": ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06), (0.3127, 0.329), None),
}
_D50 = (0.9642, 1.0, 0.8249)
_BRADFORD = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))


def matrix_of(space):
    """Linear RGB to XYZ, adapted to D50, as numpy array (3, 3)."""
    import numpy as np

    *primaries, white, _ = SPACES[space]
    xyz = np.array([(x / y, 1, (1 - x - y) / y) for x, y in primaries]).T
    x, y = white
    white_xyz = np.array([x / y, 1, (1 - x - y) / y])
    matrix = xyz * np.linalg.solve(xyz, white_xyz)
    cone = np.array(_BRADFORD)
    adapt = np.linalg.inv(cone) @ np.diag(cone @ np.array(_D50) / (cone @ white_xyz)) @ cone
    return adapt @ matrix


def curve_of(space):
    """The tag with the curve: a gamma, or sRGB's own in a table."""
    gamma = SPACES[space][-1]
    if gamma is not None:
        return b"curv" + struct.pack(">III", 0, 1, round(gamma * 256) << 16)[:10]
    steps = [i / 1023 for i in range(1024)]
    table = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in steps]
    return b"curv" + struct.pack(">II", 0, 1024) + b"".join(struct.pack(">H", round(v * 65535)) for v in table)


def profile(space):
    """The profile's bytes."""

    def xyz(values):
        return b"XYZ " + bytes(4) + b"".join(struct.pack(">i", round(value * 65536)) for value in values)

    name = space.encode()
    description = b"desc" + struct.pack(">II", 0, len(name) + 1) + name + bytes(79)
    matrix = matrix_of(space)
    tags = {b"desc": description, b"cprt": b"text" + bytes(4) + b"none\0", b"wtpt": xyz(_D50)}
    tags |= {key: xyz(matrix[:, number]) for number, key in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))}
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve_of(space))
    table, body, start = b"", b"", 128 + 4 + 12 * len(tags)
    for key, data in tags.items():
        data += bytes(-len(data) % 4)
        table += key + struct.pack(">II", start + len(body), len(data))
        body += data
    head = struct.pack(">I4sI4s4s4s12s4s", 0, b"none", 0x02400000, b"mntr", b"RGB ", b"XYZ ", bytes(12), b"acsp")
    head = head.ljust(68, b"\0") + b"".join(struct.pack(">i", round(value * 65536)) for value in _D50)
    whole = head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body
    return struct.pack(">I", len(whole)) + whole[4:]
