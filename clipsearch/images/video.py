"""Read films: the frames that stand for one, and what its container says of it. Needs the extra `video`. The only user of PyAV.

FFmpeg gets a film's bytes from an opened file, by one of a few demuxers, and may open nothing else. Frames are taken at
keyframes, each decoded by itself: encoders put them at changes of the shot. So the cost depends on how many frames are looked
at, and not on how long the film is.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from typing import IO, TYPE_CHECKING, Any

from PIL import Image

from clipsearch.errors import ImageError
from clipsearch.images import film_facts, hdr
from clipsearch.images.embedded import Packets, with_packets
from clipsearch.images.facts import complete
from clipsearch.images.file_decoder import DRAFT_FACTOR
from clipsearch.images.file_types import VIDEO_HEAD_BYTES, is_sound, video_container
from clipsearch.images.files import ReadLimits, require_few_pixels
from clipsearch.images.frame_choice import FrameChoice
from clipsearch.images.memory import TOO_MUCH
from clipsearch.images.video_stream import VideoStream, errors_named, opened, reason_of
from clipsearch.types import ImageFile, ImageInfo, Moment

if TYPE_CHECKING:
    from av import Packet, VideoFrame

_WITHOUT_INDEX = (
    "cannot be decoded: its index (moov) is missing or broken, as when a recording or a copy has been cut off"
)

_SHORTEST_STEP = 1.0  # seconds between two frames that are looked at
_MOST_CANDIDATES = 260  # frames looked at in a film of known length, some more than the most that are kept
_LONGEST_GAP = 10.0  # seconds between keyframes; if they are further apart, the frames between them are decoded
_SECONDS = 60.0  # of the processor's time for a film; two hours of 1080p take 18, with the hash
_BETWEEN_SECONDS = 20.0  # of the processor's time for frames between keyframes, which are mostly decoded in vain
_FRAME_SECONDS = 20.0  # of the processor's time for one frame
_MOST_MISSES = 40  # keyframes in succession that cannot be decoded
_SLOWEST = 100  # bytes a second; a film with fewer states a wrong length
_BUFFER = 256 * 1024  # bytes that FFmpeg asks for at once
_REORDERED = 0.3  # seconds: films are searched by the time of decoding, and frames are shown up to some frames later
_NEAR = 0.0006  # seconds: moments are rounded to thousandths
_MOST_STRETCHED = 4  # times; pixels of real films are at most twice as wide as high
_HD_HEIGHT = 720  # lines, from which films that do not state their colour matrix use BT.709
_BT709, _BT601 = 1, 5  # swscale's numbers of colour matrices
_SCALING = 0x20 | 0x2000 | 0x40000  # swscale's AREA, FULL_CHR_H_INT and ACCURATE_RND; see `_Film.picture`
_UNSPECIFIED = 2  # H.273
_FULL_CIRCLE = 65536  # 1.0 in a display matrix

_CODECS = """
    apv av1 cinepak dnxhd dvvideo flv h263 h263i h263p h264 hevc libdav1d mjpeg mpeg1video mpeg2video mpeg4 msmpeg4
    msmpeg4v1 msmpeg4v2 msmpeg4v3 prores rawvideo rpza svq1 svq3 theora vc1 vp8 vp9 vvc wmv1 wmv2 wmv3
"""
"""FFmpeg's decoders that may be used: those of cameras, phones, screens and editors, not those of games and broken formats."""

_ENCRYPTED_TAGS = ("encv", "drmi", "drms")
_TURNS = {  # the display matrix's signs (a, b, c, d), and what makes the picture upright
    (1, 0, 0, 1): None,
    (0, 1, -1, 0): Image.Transpose.ROTATE_270,
    (-1, 0, 0, -1): Image.Transpose.ROTATE_180,
    (0, -1, 1, 0): Image.Transpose.ROTATE_90,
    (-1, 0, 0, 1): Image.Transpose.FLIP_LEFT_RIGHT,
    (1, 0, 0, -1): Image.Transpose.FLIP_TOP_BOTTOM,
    (0, 1, 1, 0): Image.Transpose.TRANSPOSE,
    (0, -1, -1, 0): Image.Transpose.TRANSVERSE,
}
_SIDEWAYS = (
    Image.Transpose.ROTATE_90,
    Image.Transpose.ROTATE_270,
    Image.Transpose.TRANSPOSE,
    Image.Transpose.TRANSVERSE,
)


def has_av() -> bool:
    """Whether films can be read here."""
    return find_spec("av") is not None


def read_film(
    source: str | bytes,
    min_size: tuple[int, int] | None,
    limits: ReadLimits,
    report: Callable[[], None],
    resize: Callable[[Image.Image], Image.Image],
) -> tuple[list[Image.Image], ImageInfo, ImageFile]:
    """The frames that stand for a film, the container's facts about it, and the file as read.

    `source` is a path, or a file's bytes. The pictures are upright 8-bit sRGB in the order of `info.moments`, and there is at
    least one. `resize` gets each at no less than DRAFT_FACTOR times `min_size` (width, height; upright), or at its own size if
    that is smaller. `report` is called after each frame and block. Raises ImageError with the reason.
    """
    with opened(source, _SECONDS, report) as (stream, file), errors_named(stream):
        film = _Film(stream, limits, report)
        choice = FrameChoice(film.duration, resize)
        for second, frame in film.candidates():
            choice.consider(second, film.picture(frame, min_size))
        chosen = choice.frames()
        if not chosen:
            raise film.failure()
        pictures = [frame.picture for frame in chosen]
        moments = tuple(Moment("second", frame.second) for frame in chosen)
        return pictures, film.info(stream.content_hash(), moments), file


def read_frame(
    source: str | bytes,
    at: float | None,
    min_size: tuple[int, int] | None,
    limits: ReadLimits,
    report: Callable[[], None],
) -> tuple[Image.Image, ImageInfo, ImageFile]:
    """One upright picture of a film: the frame at a moment of `read_film`, or at its first moment if `at` is None.

    The content hash is left empty, because the file is not read whole. Raises ImageError with the reason.
    """
    with opened(source, _FRAME_SECONDS, report) as (stream, file), errors_named(stream):
        film = _Film(stream, limits, report)
        found = film.first_frame(min_size) if at is None else film.frame_at(at, min_size)
        if found is None:
            raise film.failure()
        second, picture = found
        return picture, film.info("", (Moment("second", second),)), file


def read_facts(source: str | bytes, limits: ReadLimits, report: Callable[[], None]) -> tuple[ImageInfo, ImageFile]:
    """A film's facts by its container, without decoding a frame, and the file as read. Raises ImageError with the reason.

    The width and height are those of the codec, before the picture is turned upright. The content hash and the moments are left
    out.
    """
    with opened(source, _FRAME_SECONDS, report) as (stream, file), errors_named(stream):
        return _Film(stream, limits, report).facts(), file


class _Film:
    """An opened film: its video track, and the means to get frames of it."""

    def __init__(self, stream: VideoStream, limits: ReadLimits, report: Callable[[], None]) -> None:
        self._stream = stream
        self._limits = limits
        self._report = report
        self._head = stream.file.read(VIDEO_HEAD_BYTES)
        stream.seek(0)
        if not self._head:
            raise ImageError("empty file")
        demuxer = video_container(self._head)
        if demuxer is None:
            if is_sound(self._head):
                raise ImageError("has no video track: it holds only sound")
            raise ImageError("not a film in a format that clipsearch reads")
        self._demuxer = demuxer
        self._is_cut = film_facts.is_cut(stream.file, demuxer, stream.size)
        self._is_searchable = not (
            self._is_cut and demuxer == "avi"
        )  # without the index at its end, it gives wrong times
        stream.seek(0)
        self._container = self._open()
        self._track = self._video_track()
        self._codec = self._decoder()
        self._time_base = float(self._track.time_base or 0) or 1e-6
        self._start = (self._container.start_time or 0) / 1e6
        self._size: tuple[int, int] | None = None  # (width, height) upright; None before the first picture
        self._last_error: Exception | None = None
        length = (self._container.duration or 0) / 1e6
        self.duration = min(max(length, 0.0), stream.size / _SLOWEST)  # seconds; 0 if it is unknown
        self._turn: Image.Transpose | None = None

    # -- opening

    def _open(self) -> Any:
        import av
        import av.logging

        av.logging.set_level(None)
        try:
            return av.open(
                self._stream,
                "r",
                format=self._demuxer,
                container_options={"codec_whitelist": ",".join(_CODECS.split())},  # `options` made PyAV 17 crash
                metadata_errors="replace",
                buffer_size=_BUFFER,
                io_open=_refuse_to_open,
            )
        except av.FFmpegError as error:
            if self._demuxer == "mov" and not self._stream.error and not isinstance(error, MemoryError):
                raise ImageError(_WITHOUT_INDEX) from error
            raise

    def _video_track(self) -> Any:
        tracks = [track for track in self._container.streams.video if not _is_attached(track)]
        if not tracks:
            raise ImageError("has no video track: it holds only sound")
        return max(tracks, key=lambda track: _pixels_of(track))

    def _decoder(self) -> Any:
        codec = self._track.codec_context
        if codec is None or codec.name not in _CODECS.split():
            tag = film_facts.codec_tag(self._stream.file, self._demuxer) or (codec.name if codec else "unknown")
            if tag in _ENCRYPTED_TAGS:
                raise ImageError("cannot be decoded: it is encrypted (DRM)")
            raise ImageError(f"cannot be decoded: clipsearch does not read its video codec ({tag})")
        require_few_pixels(codec.width, codec.height, self._limits)
        codec.thread_count = 1  # each core already has a decoding process
        codec.options = {"max_pixels": str(self._limits.max_pixels)}
        return codec

    # -- frames

    def candidates(self) -> Iterator[tuple[float, VideoFrame]]:
        """(second, frame) spread over the film: keyframes first, then frames where keyframes are far apart."""
        gaps: list[tuple[float, float]] = []
        yield from self.keyframes(gaps)
        yield from self._frames_between(gaps)

    def keyframes(self, gaps: list[tuple[float, float]]) -> Iterator[tuple[float, VideoFrame]]:
        """(second, frame) of keyframes at least a step apart. The step grows with the film, and if decoding is slow.

        Adds to `gaps` (start, end) where no keyframe follows for _LONGEST_GAP after the step.
        """
        step = max(_SHORTEST_STEP, self.duration / _MOST_CANDIDATES)
        last, wanted, count, misses = 0.0, 0.0, 0, 0
        budget = self._stream.seconds_left
        packets = self._packets()
        while misses <= _MOST_MISSES and self._stream.seconds_left > 0:
            self._report()
            packets = self._packets_from(wanted, packets)
            packet = self._next_keyframe(packets, wanted)
            if packet is None:
                end = self.duration if count else math.inf
                if end - wanted > _LONGEST_GAP:
                    gaps.append((last, end))
                return
            second = self._second_of(packet)
            if second - wanted > _LONGEST_GAP:
                gaps.append((last, second))
            frame = self._decode_alone(packet)
            count += 1
            if frame is None:
                misses += 1
            else:
                misses = 0
                yield second, frame
            if count % _MOST_CANDIDATES == 0:  # the stated length was too short, or there was none
                step *= 2
            spent, left = budget - self._stream.seconds_left, max(self._stream.seconds_left, 0.001)
            affordable = (self.duration - second) * (spent / count) / left
            last = second
            wanted = second + max(step, affordable) - step / 10  # keyframes are rarely a whole second apart

    def _frames_between(self, gaps: list[tuple[float, float]]) -> Iterator[tuple[float, VideoFrame]]:
        """Frames in gaps between keyframes, by decoding onwards from a gap's beginning."""
        budget = min(_BETWEEN_SECONDS, self._stream.seconds_left)
        whole = sum(end - start for start, end in gaps)
        for start, end in gaps:
            share = budget * (end - start) / whole if math.isfinite(whole) else budget
            deadline = self._stream.seconds_left - share
            last = -math.inf
            for second, frame in self._decode_from(start, skip="NONREF"):
                if second >= end or self._stream.seconds_left <= max(deadline, 0):
                    break
                if second >= last + _SHORTEST_STEP:
                    self._report()
                    last = second
                    yield second, frame

    def first_frame(self, min_size: tuple[int, int] | None) -> tuple[float, Image.Image] | None:
        """(second, picture) of the first moment that `read_film` has: the first frame that is not blank."""
        choice = FrameChoice(self.duration, lambda picture: picture)
        for second, frame in self.candidates():
            if choice.consider(second, self.picture(frame, min_size)):
                break
        return next(((frame.second, frame.picture) for frame in choice.frames()), None)

    def frame_at(self, at: float, min_size: tuple[int, int] | None) -> tuple[float, Image.Image] | None:
        """(second, picture) of the frame at a moment of `read_film`; of the last one before it, if it is not found."""
        packets = self._packets_from(at - _NEAR, self._packets())
        packet = self._next_keyframe(packets, at - _NEAR) if self._is_searchable else None
        if packet is not None and abs(self._second_of(packet) - at) <= _NEAR:
            frame = self._decode_alone(packet)
            if frame is not None:
                return at, self.picture(frame, min_size)
        found = None
        for second, frame in self._decode_from(at, skip="NONREF"):
            found = second, frame
            if second >= at - _NEAR or self._stream.seconds_left <= 0:
                break
        return (found[0], self.picture(found[1], min_size)) if found else None

    def _second_of(self, timed: Packet | VideoFrame) -> float:
        """Seconds from the film's beginning, to a thousandth."""
        ticks = timed.pts if timed.pts is not None else timed.dts
        second = (ticks or 0) * self._time_base - self._start
        return round(min(max(second, 0.0), 1e9), 3)

    def _ticks(self, second: float) -> int:
        return int((second + self._start) / self._time_base)

    def _packets(self) -> Iterator[Packet]:
        return iter(self._container.demux(self._track))

    def _packets_from(self, second: float, packets: Iterator[Packet]) -> Iterator[Packet]:
        """The packets from the next keyframe on; those that follow in the file, if it cannot be searched."""
        import av

        if second <= 0 or not self._is_searchable:  # not every search finds the beginning
            return packets

        try:
            self._container.seek(self._ticks(max(second - _REORDERED, 0)), backward=False, stream=self._track)
        except (av.FFmpegError, OverflowError):
            self._codec.flush_buffers()
            return packets
        return self._packets()

    def _next_keyframe(self, packets: Iterator[Packet], second: float) -> Packet | None:
        """The first keyframe's packet at or after a second, without those that an edit list leaves out."""
        import av

        try:
            for packet in packets:
                if self._stream.seconds_left <= 0:
                    return None
                is_shown = packet.size and packet.is_keyframe and not packet.is_discard
                if is_shown and self._second_of(packet) >= second:
                    return packet
        except av.FFmpegError as error:
            self._last_error = error
        return None

    def _decode_alone(self, packet: Packet) -> VideoFrame | None:
        """A keyframe's frame. Afterwards the decoder takes packets from the next keyframe on."""
        import av

        frames: list[VideoFrame] = []
        try:
            frames += self._codec.decode(packet)
            frames += self._codec.decode(None)
        except av.FFmpegError as error:
            self._last_error = error
        self._codec.flush_buffers()
        return next((frame for frame in frames if not frame.is_corrupt), None)

    def _decode_from(self, second: float, skip: str) -> Iterator[tuple[float, VideoFrame]]:
        """(second, frame) of all frames from the keyframe before a second on."""
        import av

        with contextlib.suppress(av.FFmpegError, OverflowError):
            if self._is_searchable:
                self._container.seek(self._ticks(second), stream=self._track)
        self._codec.skip_frame = skip
        try:
            for packet in self._packets():
                try:
                    frames = self._codec.decode(packet if packet.size else None)
                except av.FFmpegError as error:
                    self._last_error = error
                    frames = []
                self._report()
                for frame in frames:
                    if not frame.is_corrupt:
                        yield self._second_of(frame), frame
                if self._stream.seconds_left <= 0:
                    return
        except av.FFmpegError as error:
            self._last_error = error
        finally:
            self._codec.skip_frame = "DEFAULT"
            self._codec.flush_buffers()

    # -- pictures

    def picture(self, frame: Any, min_size: tuple[int, int] | None) -> Image.Image:
        """A frame as an upright 8-bit sRGB picture, at no less than DRAFT_FACTOR times `min_size` if it has that.

        Measured on five frames of 1080p for 224 px, against BT.709 in floating point and Pillow's bicubic filter: the mean
        absolute difference is 0.3 to 0.5 steps of 1/255. Without the flags for accuracy it is 1.8 if the size is halved.
        """
        if self._size is None:  # the same for all frames; asking each would keep it in memory, as part of a cycle
            self._turn = _turn_of(frame)
        width, height = self._size = self._upright_size(frame)
        require_few_pixels(width, height, self._limits)
        if min_size:
            factor = max(DRAFT_FACTOR * min_size[0] / width, DRAFT_FACTOR * min_size[1] / height)
            if factor < 1:
                width, height = math.ceil(width * factor), math.ceil(height * factor)
        if self._turn in _SIDEWAYS:
            width, height = height, width
        matrix = frame.colorspace
        if matrix == _UNSPECIFIED:
            matrix = _BT709 if frame.height >= _HD_HEIGHT else _BT601
        picture: Image.Image = frame.to_image(
            width=width, height=height, interpolation=_SCALING, src_colorspace=matrix, dst_colorspace=matrix
        )
        picture = hdr.to_srgb(picture, self._codec.color_trc, self._codec.color_primaries)
        return picture.transpose(self._turn) if self._turn is not None else picture

    def _upright_size(self, frame: VideoFrame) -> tuple[int, int]:
        """(width, height) as shown: pixels that are not square stretch the width, and the display matrix may swap both."""
        width, height = frame.width, frame.height
        ratio = float(self._track.sample_aspect_ratio or self._codec.sample_aspect_ratio or 1)
        if 1 / _MOST_STRETCHED <= ratio <= _MOST_STRETCHED:
            width = max(round(width * ratio), 1)
        return (height, width) if self._turn in _SIDEWAYS else (width, height)

    # -- facts

    def info(self, content_hash: str, moments: tuple[Moment, ...]) -> ImageInfo:
        """What the container says of the film."""
        assert self._size
        width, height = self._size
        return replace(self.facts(), width=width, height=height, content_hash=content_hash, moments=moments)

    def facts(self) -> ImageInfo:
        """What the container says, with the codec's width and height."""
        tags = {**self._container.metadata}, {**self._track.metadata}
        info = ImageInfo(
            self._codec.width,
            self._codec.height,
            format=film_facts.format_of(self._demuxer, self._head),
            content_hash="",
            incomplete=self._is_cut,
        )
        packets = Packets(film_facts.xmp_packets(self._stream.file, self._demuxer))
        return with_packets(complete(info, film_facts.facts(*tags)), packets)

    def failure(self) -> ImageError:
        """Why no frame was found."""
        if isinstance(self._last_error, MemoryError):
            return ImageError(TOO_MUCH, "memory")
        reason = reason_of(self._last_error) if self._last_error else "it holds no frame"
        return ImageError(f"cannot be decoded: {reason}")


def _refuse_to_open(url: str, flags: int, options: dict[str, str]) -> IO[bytes]:
    """A container may name other files, also of the network. None is opened."""
    raise PermissionError(f"a film may not open another file: {url}")


def _is_attached(track: Any) -> bool:
    """Whether a track is a picture beside the sound, such as an album's cover."""
    from av.stream import Disposition

    return bool(track.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails))


def _pixels_of(track: Any) -> int:
    codec = track.codec_context
    return codec.width * codec.height if codec else 0


def _turn_of(frame: Any) -> Image.Transpose | None:
    """What makes a frame upright, by the display matrix that the container gives it."""
    for data in frame.side_data:
        if data.type.name == "DISPLAYMATRIX":
            raw = memoryview(bytes(data)).cast("i")
            a, b, c, d = (_sign(raw[place]) for place in (0, 1, 3, 4))
            return _TURNS.get((a, b, c, d))
    return None


def _sign(value: int) -> int:
    """-1, 0 or 1: matrices of other angles count as the nearest right one."""
    return 0 if abs(value) < _FULL_CIRCLE * 0.7 else -1 if value < 0 else 1
