"""Films for tests, made with PyAV: a few shots, each a pattern of its own that stands still."""

import io
from fractions import Fraction

import av
import numpy as np

SIZE = 160, 96
RATE = 10


def pattern(seed, size=SIZE):
    """A picture of large patches, unlike that of any other seed."""
    patches = np.random.default_rng(seed).integers(30, 225, (3, 4, 3), np.uint8)
    return np.ascontiguousarray(np.kron(patches, np.ones((size[1] // 3, size[0] // 4, 1), np.uint8)))


def plain(value, size=SIZE):
    """A picture of one grey."""
    return np.full((size[1], size[0], 3), value, np.uint8)


def film(
    shots,
    container="mp4",
    codec="libx264",
    gop=RATE,
    options=None,
    metadata=None,
    pix_fmt="yuv420p",
    sound=False,
    ratio=None,
    tag=None,
    container_options=None,
    colours=None,
):
    """A film's bytes. `shots` is a list of (picture, seconds); `gop` is the number of frames between keyframes."""
    stream = io.BytesIO()
    with av.open(stream, "w", format=container, container_options=container_options or {}) as out:
        out.metadata.update(metadata or {})
        track = out.add_stream(codec, rate=RATE)
        height, width = shots[0][0].shape[:2]
        track.width, track.height, track.pix_fmt = width, height, pix_fmt
        track.codec_context.gop_size = gop
        if ratio:
            track.codec_context.sample_aspect_ratio = ratio
        if tag:
            track.codec_context.codec_tag = tag
        for name, value in (colours or {}).items():
            setattr(track.codec_context, name, value)
        track.options = options if options is not None else X264 if codec == "libx264" else {}
        if sound:
            add_sound(out, sum(seconds for _, seconds in shots))
        at = 0
        for picture, seconds in shots:
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            for _ in range(round(seconds * RATE)):
                frame.pts, frame.time_base = at, Fraction(1, RATE)
                out.mux(track.encode(frame))
                at += 1
        out.mux(track.encode(None))
    return stream.getvalue()


X264 = {"preset": "ultrafast", "crf": "16", "sc_threshold": "0"}


def add_sound(out, seconds):
    """A track of silence."""
    track = out.add_stream("aac", rate=8000, layout="mono")
    silence = np.zeros((1, 1024), np.float32)
    for index in range(int(seconds * 8000 / 1024) + 1):
        frame = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 8000, index * 1024, Fraction(1, 8000)
        out.mux(track.encode(frame))
    out.mux(track.encode(None))


def without_its_start(film_bytes, seconds):
    """A film whose edit list leaves its first seconds out, as after trimming on a phone."""
    stream = io.BytesIO()
    with av.open(io.BytesIO(film_bytes)) as whole, av.open(stream, "w", format="mp4") as out:
        track = out.add_stream_from_template(whole.streams.video[0])
        for packet in whole.demux(whole.streams.video[0]):
            if packet.size:
                packet.pts -= int(seconds / packet.time_base)
                packet.dts -= int(seconds / packet.time_base)
                packet.stream = track
                out.mux(packet)
    return stream.getvalue()


def sound_only(seconds=2):
    """An MP4 file with a track of silence, and no other."""
    stream = io.BytesIO()
    with av.open(stream, "w", format="mp4") as out:
        add_sound(out, seconds)
    return stream.getvalue()


def with_matrix(data, matrix):
    """An MP4 file with another display matrix: its (a, b, c, d) of the video track, which is the first."""
    a, b, c, d = (value * 65536 for value in matrix)
    at = data.index(b"tkhd") + 4
    assert data[at] == 0  # version
    values = np.array([a, b, 0, c, d, 0, 0, 0, 1 << 30], ">i4").tobytes()
    start = at + 40
    return data[:start] + values + data[start + 36 :]
