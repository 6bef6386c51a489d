"""Choose the frames that stand for a film: one of each shot, and of frames that look alike only the first."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image, ImageChops, ImageStat

MOST_A_MINUTE = 12
"""Frames kept of a minute. Films cut faster than every five seconds lose their most similar frames."""

MOST_FRAMES = 240
"""Frames kept of a film: each costs as much as a photo, to embed and to store. From 20 minutes on, a minute gets fewer."""

_PART = 60.0  # seconds in which frames are compared, and counted against MOST_A_MINUTE; longer if the film is long
_THUMBNAIL = (16, 16)  # blurs what a shaking hand, grain and compression change

# Steps of 1/255, mean over the thumbnail. Measured on 43 photos: the same photo is at 6 if it is 5% darker, at 7 if zoomed
# by 5%, at 20 if the camera turns by 5% of its width (medians); 95% of pairs of other photos are above 44.
_ALIKE = 10.0
_BLANK = 16  # steps of 1/255 between the darkest and the brightest place


@dataclass(slots=True)
class ChosenFrame:
    """A frame: its time in seconds from the film's beginning, its picture, and what it is compared by."""

    second: float
    picture: Image.Image
    thumbnail: Image.Image
    to_previous: float = 255.0  # how much it differs from the frame before it


class FrameChoice:
    """Collects a film's frames in any order, and keeps those that differ, within the limits.

    The first frame of several that are alike stays, so the film's first frame always does. A frame of one colour is kept only
    if the film has no other.
    """

    def __init__(self, duration: float, resize: Callable[[Image.Image], Image.Image]) -> None:
        """`duration` is the film's, in seconds. `resize` is applied to the pictures that are kept."""
        self._resize = resize
        self._part = max(_PART, duration * MOST_A_MINUTE / MOST_FRAMES)
        self._frames: list[ChosenFrame] = []
        self._blank: ChosenFrame | None = None

    def consider(self, second: float, picture: Image.Image) -> bool:
        """Keep a frame if it differs from those kept near it; returns whether the film has a frame that is not blank."""
        thumbnail = picture.resize(_THUMBNAIL, Image.Resampling.BOX)
        if is_blank(thumbnail):
            if self._blank is None or second < self._blank.second:
                self._blank = ChosenFrame(second, self._resize(picture), thumbnail)
        elif self._is_new(second, thumbnail):
            self._add(ChosenFrame(second, self._resize(picture), thumbnail))
        return bool(self._frames)

    def frames(self) -> list[ChosenFrame]:
        """The frames that are kept, in the order of time."""
        return self._frames or ([self._blank] if self._blank else [])

    def _place_of(self, second: float) -> int:
        return bisect_left([kept.second for kept in self._frames], second)

    def _is_new(self, second: float, thumbnail: Image.Image) -> bool:
        """Whether a frame differs from the one before it, the one after it, and all within a part's length."""
        place = self._place_of(second)
        first = min(self._place_of(second - self._part), max(place - 1, 0))
        after = max(self._place_of(second + self._part), place + 1)
        return all(difference(thumbnail, kept.thumbnail) >= _ALIKE for kept in self._frames[first:after])

    def _add(self, frame: ChosenFrame) -> None:
        place = self._place_of(frame.second)
        self._frames.insert(place, frame)
        self._measure(place)
        self._measure(place + 1)
        part = frame.second // self._part
        of_part = [index for index, kept in enumerate(self._frames) if kept.second // self._part == part]
        if len(of_part) > MOST_A_MINUTE:
            self._drop_most_similar(of_part[1:])
        elif len(self._frames) > MOST_FRAMES:
            self._drop_most_similar(list(range(1, len(self._frames))))

    def _drop_most_similar(self, places: list[int]) -> None:
        """Drop the frame that differs least from the one before it, so that a part's first frame always stays."""
        place = min(places, key=lambda index: self._frames[index].to_previous)
        del self._frames[place]
        self._measure(place)

    def _measure(self, place: int) -> None:
        if 0 < place < len(self._frames):
            frame, before = self._frames[place], self._frames[place - 1]
            frame.to_previous = difference(frame.thumbnail, before.thumbnail)


def difference(one: Image.Image, other: Image.Image) -> float:
    """The mean absolute difference of two pictures of one size, in steps of 1/255."""
    means = ImageStat.Stat(ImageChops.difference(one, other)).mean
    return sum(means) / len(means)


def is_blank(thumbnail: Image.Image) -> bool:
    """Whether a picture has one colour nearly everywhere: black, white, or a test colour between shots."""
    return all(high - low < _BLANK for low, high in _ranges(thumbnail))


def _ranges(image: Image.Image) -> list[tuple[float, float]]:
    return [channel.getextrema() for channel in image.split()]  # type: ignore[misc]  # of one band: a pair
