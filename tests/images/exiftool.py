"""ExifTool, which writes facts into photos as photo managers do."""

import functools
import shutil
import subprocess

import pytest


@functools.cache
def has_exiftool():
    return shutil.which("exiftool") is not None


def exiftool(*arguments):
    """Run it, or skip the test if it is absent."""
    if not has_exiftool():
        pytest.skip("needs exiftool (Debian's libimage-exiftool-perl)")
    command = ["exiftool", "-overwrite_original", "-m", "-q", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
