"""The names of devices that a model can run on."""

from __future__ import annotations

import re

from clipsearch._internal.arguments import short
from clipsearch.errors import ModelError

_DEVICE = re.compile(r"auto|cpu|mps|(cuda|xpu)(:\d{1,3})?")


def require_device(device: object) -> None:
    """Raise ModelError unless it is the name of a device. Whether the machine has it shows when a model is loaded."""
    if not (isinstance(device, str) and _DEVICE.fullmatch(device)):
        raise ModelError(
            f"`device` must be auto, cpu, cuda, mps, xpu or a numbered one such as cuda:1, not {short(device)}"
        )
