"""Read the text in a picture, with the models in RapidOCR's package. Needs the extra `ocr`. The only user of rapidocr.

One network finds where lines of text are, and another reads each line. The first looks at a small copy of the picture, and the
second tries a few of these lines, so that photos without text cost little. Nothing is downloaded: the models are files of the
package.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clipsearch.errors import ClipsearchError
from clipsearch.types import LONGEST_TEXT, clean_text

MISSING_READER = "reading text in pictures needs RapidOCR: pip install 'clipsearch[ocr]'"

_DETECTOR, _RECOGNISER = "PP-OCRv6_det_small.onnx", "PP-OCRv6_rec_small.onnx"

_LOOK_SIZE = 768  # pixels of the longer side of the small copy
_LOOK_SHORT_SIDE = 320  # pixels of its shorter side, if the picture is long: a screenshot of a whole page
_LOOK_SCORE = 0.3  # of a line in the small copy
_TRIALS = 6  # lines of the small copy; if no line can be read, the picture is left out
_LINE_SCORE = 0.5  # of a line in the picture itself; RapidOCR's default
_TEXT_SCORE = 0.6  # mean probability of a line's characters
_UPRIGHT_SCORE = 0.85  # mean probability of a line's characters, below which the line is also read upside down
_DETECT_SIZE = (
    1280  # pixels of the longer side of the copy in which lines are found; they are read in the picture itself
)
_CLEAR_HEIGHT = 12  # pixels of a line in the small copy, from which it is not looked for again
_BAND = 2048  # pixels; longer pictures are read in parts of about this height
_QUIET_SHARE = 0.5  # of a band; a row in this part should cut no line of text
_SAME_LINE = 0.5  # of the height of the lower box, by which two boxes of one line overlap
# OpenVINO keeps several megabytes for each new size of its input, and prepares 40 ms for it. So pictures and lines are padded
# to few sizes, in pixels.
_PICTURE_STEP = 128
_LINE_HEIGHT = 48  # which the recogniser takes
_LINE_WIDTHS = (*range(320, 1280, 160), *range(1280, 3201, 320))  # longer lines, of 130 characters, are squeezed
_GREY = (127, 127, 127)  # zero for the recogniser, which fills the end of short lines with it

Box = NDArray[np.float32]
"""A line's corners (4, 2) in pixels, clockwise from the one at the top left."""


def has_text_reader() -> bool:
    """Whether text in pictures can be read here."""
    return find_spec("rapidocr") is not None


def require_text_reader() -> None:
    """Raise ClipsearchError unless RapidOCR is installed."""
    if not has_text_reader():
        raise ClipsearchError(MISSING_READER)


class TextReader:
    """Reads pictures on one core. A process loads the models once, when they are first needed. Not for several threads at once.

    Raises ClipsearchError if RapidOCR is not installed, or its package lacks a model.
    """

    def __init__(self) -> None:
        require_text_reader()
        self._engine = _engine(_DETECTOR, _RECOGNISER)

    def load(self) -> None:
        """Load the models now, not at the first picture, whose time is limited."""
        blank = np.full((_LINE_HEIGHT, _LINE_WIDTHS[0], 3), 255, np.uint8)
        self._engine(_continued(blank), use_det=True, use_cls=False, use_rec=False)
        self._engine(blank, use_det=False, use_cls=False, use_rec=True)

    def read(self, picture: Image.Image, on_line: Callable[[], None] = lambda: None) -> str:
        """The text in an upright RGB picture, in reading order and cleaned by `clean_text`; "" if there is none.

        Lines that the model is unsure of are left out. `on_line` is called after each line.
        """
        lines: list[str] = []
        length = 0
        for band in _bands(picture):
            for box in self._lines_in(band):
                text = self._line(band, box)
                on_line()
                if text:
                    lines.append(text)
                    length += len(text)
                if length > LONGEST_TEXT:
                    return clean_text(" ".join(lines))
        return clean_text(" ".join(lines))

    def _lines_in(self, picture: Image.Image) -> list[Box]:
        """Where lines of text are, in reading order; [] if a look at a small copy finds none that can be read."""
        look = _scale(picture, _LOOK_SIZE, _LOOK_SHORT_SIDE)
        rough = self._boxes(picture, look, _LOOK_SCORE)
        if not any(self._line(picture, box) for box in rough[:_TRIALS]):
            return []
        detect = _scale(picture, _DETECT_SIZE)
        if detect <= look:
            return _in_reading_order(rough)
        fine = self._boxes(picture, detect, _LINE_SCORE)
        # In the larger copy, the network finds smaller letters, but misses some words that stand alone, and parts of others.
        clear = [box for box in rough if _line_height(box) * look >= _CLEAR_HEIGHT]
        fine = [box for box in fine if not any(_holds(other, box) for other in clear)]
        unclear = [box for box in rough if _line_height(box) * look < _CLEAR_HEIGHT]
        rest = [box for box in unclear if not any(_holds(box, other) or _holds(other, box) for other in fine)]
        return _in_reading_order([*clear, *fine, *rest])

    def _boxes(self, picture: Image.Image, scale: float, least_score: float) -> list[Box]:
        """Where lines of text are in a picture, the surest first. It looks at a copy that is `scale` times as large."""
        size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
        small = picture if size == picture.size else picture.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
        found = self._engine(
            _continued(_bgr(small)), use_det=True, use_cls=False, use_rec=False, box_thresh=least_score
        )
        ratio = np.array([picture.width / size[0], picture.height / size[1]], np.float32)
        if found.boxes is None:
            return []
        order = np.argsort(found.scores)[::-1]
        return [_clockwise(np.asarray(found.boxes[number], np.float32)) * ratio for number in order]

    def _line(self, picture: Image.Image, box: Box) -> str:
        """The text inside a box; "" if the model is unsure of it."""
        line = _as_read(_cut_out(picture, box))
        text, score = self._recognised(line)
        if score < _UPRIGHT_SCORE:  # it may stand on its head; PP-OCR's own classifier often says so of upright lines
            turned, turned_score = self._recognised(line.transpose(Image.Transpose.ROTATE_180))
            if turned_score > score:
                text, score = turned, turned_score
        return text if _is_sure(text, score) else ""

    def _recognised(self, line: Image.Image) -> tuple[str, float]:
        """What a line says, and the mean probability of its characters."""
        found = self._engine(_bgr(line), use_det=False, use_cls=False, use_rec=True)
        return (found.txts[0], float(found.scores[0])) if found.txts else ("", 0.0)


@cache
def _engine(detector: str, recogniser: str) -> Any:
    """RapidOCR with the models of its package, silent, on OpenVINO if that is installed, else on ONNX Runtime.

    RapidOCR downloads models that it is not given as files. Its character list is inside the file of the recogniser.
    It is never released: each model has an OpenVINO of its own, and with two of them the stack for signals that the first
    one unmaps stays in use, so that the next Ctrl-C would be a segmentation fault (see `_core` in encoders/towers).
    """
    logging.getLogger("RapidOCR").setLevel(logging.CRITICAL)
    import rapidocr

    runtime = rapidocr.EngineType.OPENVINO if find_spec("openvino") else rapidocr.EngineType.ONNXRUNTIME
    folder = Path(rapidocr.__file__).parent / "models"
    options: dict[str, Any] = {
        "Global.log_level": "critical",
        "Global.use_preprocess_img": False,  # pictures have their size already
        "Global.text_score": 0.0,  # judged here
        "Det.limit_type": "max",  # a small picture is not enlarged
        "Det.limit_side_len": 2 * _BAND,
        "EngineConfig.openvino.inference_num_threads": 1,
        "EngineConfig.openvino.num_streams": 1,
        "EngineConfig.onnxruntime.intra_op_num_threads": 1,
        "EngineConfig.onnxruntime.inter_op_num_threads": 1,
    }
    for part, name in (("Det", detector), ("Rec", recogniser)):
        path = folder / name
        if not path.is_file():
            raise ClipsearchError(
                f"the RapidOCR that is installed has no {name}, so no text can be read. Install the release that "
                "clipsearch was made for: pip install --upgrade --force-reinstall 'clipsearch[ocr]'"
            )
        options |= {f"{part}.engine_type": runtime, f"{part}.model_path": str(path)}
    return rapidocr.RapidOCR(params=options)


def _bgr(picture: Image.Image) -> NDArray[np.uint8]:
    """Pixels as OpenCV orders them, uint8 (height, width, 3)."""
    return np.ascontiguousarray(np.asarray(picture)[:, :, ::-1])


def _continued(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pixels, continued by their last column and row up to a size that the detector takes."""
    more = [(0, -side % _PICTURE_STEP) for side in pixels.shape[:2]]
    return np.pad(pixels, [*more, (0, 0)], mode="edge")


def _scale(picture: Image.Image, longer: int, shorter: int = 1) -> float:
    """What makes a picture as small as one side or the other may be; never more than 1."""
    return min(1.0, max(longer / max(picture.size), shorter / min(picture.size)))


def _as_read(line: Image.Image) -> Image.Image:
    """A level line at the recogniser's height and one of its widths."""
    width = min(max(1, round(line.width * _LINE_HEIGHT / line.height)), _LINE_WIDTHS[-1])
    whole = Image.new("RGB", (next(step for step in _LINE_WIDTHS if step >= width), _LINE_HEIGHT), _GREY)
    whole.paste(line.resize((width, _LINE_HEIGHT), Image.Resampling.BILINEAR))
    return whole


def _bands(picture: Image.Image) -> Iterator[Image.Image]:
    """A tall picture in parts from top to bottom, cut at the rows where least changes from left to right."""
    top = 0
    while picture.height - top > 1.5 * _BAND:
        start = top + int(_BAND * (1 - _QUIET_SHARE))
        rows = np.asarray(picture.crop((0, start, picture.width, top + _BAND)).convert("L"), np.int16)
        changes = np.abs(np.diff(rows, axis=1)).sum(axis=1)
        # Of the longest run of the quietest rows, the middle one.
        bottom = start + _middle_of_longest_run(changes <= changes.min())
        yield picture.crop((0, top, picture.width, bottom))
        top = bottom
    yield picture.crop((0, top, picture.width, picture.height)) if top else picture


def _middle_of_longest_run(flags: NDArray[np.bool_]) -> int:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    starts, ends = edges[::2], edges[1::2]
    longest = int(np.argmax(ends - starts))
    return int(starts[longest] + ends[longest]) // 2


def _clockwise(corners: Box) -> Box:
    """A box's corners, clockwise from the one at the top left. RapidOCR mixes up those of a slanted column."""
    across, down = (corners - corners.mean(axis=0)).T
    corners = corners[np.argsort(np.arctan2(down, across))]
    return np.roll(corners, -int(np.argmin(corners.sum(axis=1))), axis=0)


def _line_height(box: Box) -> float:
    """The shorter side of a box."""
    return float(min(np.linalg.norm(box[1] - box[0]), np.linalg.norm(box[2] - box[1])))


def _holds(box: Box, other: Box) -> bool:
    """Whether the middle of another box is inside the extent of a box."""
    middle = other.mean(axis=0)
    return bool((box.min(axis=0) <= middle).all() and (middle <= box.max(axis=0)).all())


def _in_reading_order(boxes: list[Box]) -> list[Box]:
    """Boxes from top to bottom, and those of one line from left to right."""
    lines: list[list[Box]] = []
    for box in sorted(boxes, key=lambda box: float(box[:, 1].mean())):
        if lines and _is_beside(lines[-1][-1], box):
            lines[-1].append(box)
        else:
            lines.append([box])
    return [box for line in lines for box in sorted(line, key=lambda box: float(box[:, 0].mean()))]


def _is_beside(one: Box, other: Box) -> bool:
    """Whether two boxes are of one line of text."""
    tops, bottoms = (one[:, 1].min(), other[:, 1].min()), (one[:, 1].max(), other[:, 1].max())
    lower = min(bottoms[0] - tops[0], bottoms[1] - tops[1])
    return bool(min(bottoms) - max(tops) > _SAME_LINE * lower)


def _cut_out(picture: Image.Image, box: Box) -> Image.Image:
    """The part of a picture inside a box, turned so that a line of text is level."""
    above, below = np.linalg.norm(box[1] - box[0]), np.linalg.norm(box[2] - box[3])
    left, right = np.linalg.norm(box[3] - box[0]), np.linalg.norm(box[2] - box[1])
    size = max(1, round(float(max(above, below)))), max(1, round(float(max(left, right))))
    corners = box[[0, 3, 2, 1]].ravel().tolist()  # Pillow wants them anticlockwise
    line = picture.transform(size, Image.Transform.QUAD, corners, Image.Resampling.BICUBIC)
    return line.transpose(Image.Transpose.ROTATE_90) if line.height >= 1.5 * line.width else line


def _is_sure(text: str, score: float) -> bool:
    """Whether a line is kept. Most lines of a single character are a wheel or a window."""
    return score >= _TEXT_SCORE and sum(sign.isalnum() for sign in text) > 1
