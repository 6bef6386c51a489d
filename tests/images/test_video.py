"""Films: which frames stand for one, what its container says of it, and that no container does harm."""

import hashlib
import io
import json
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("av", reason="films need the extra `video`")

from clipsearch.errors import ImageError
from clipsearch.images import film_facts, hdr, video, video_stream
from clipsearch.images.file_types import looks_like_video
from clipsearch.images.files import ReadLimits
from clipsearch.images.frame_choice import MOST_A_MINUTE, MOST_FRAMES, FrameChoice
from clipsearch.images.video import read_film, read_frame
from clipsearch.images.video_stream import MISSING_DECODER, VideoStream
from tests.conftest import ROOT
from tests.images.films import RATE, SIZE, film, pattern, plain, sound_only, with_matrix, without_its_start

SMALL = (32, 32)
SHOTS = [(pattern(1), 3), (pattern(2), 3), (pattern(3), 3), (pattern(1), 2)]  # the last shows what the first does
STARTS = [0, 3, 6]
CONTAINERS = {
    "MP4": ("mp4", "libx264", {}),
    "MOV": ("mov", "libx264", {}),
    "M4V": ("ipod", "libx264", {}),
    "3GP": ("3gp", "libx264", {}),
    "MKV": ("matroska", "libx264", {}),
    "WEBM": ("webm", "libvpx", {}),
    "AVI": ("avi", "mpeg4", {}),
    "WMV": ("asf", "wmv2", {}),
    "MTS": ("mpegts", "libx264", {}),
    "M2TS": ("mpegts", "libx264", {"mpegts_m2ts_mode": "1"}),
    "MPEG": ("mpeg", "mpeg2video", {}),
    "fragments": ("mp4", "libx264", {"movflags": "frag_keyframe+empty_moov"}),
}
NAMES = {"M2TS": "MTS", "fragments": "MP4"}


@pytest.fixture(scope="module")
def films():
    return {
        name: film(SHOTS, container, codec, container_options=options)
        for name, (container, codec, options) in CONTAINERS.items()
    }


def read(source, min_size=SMALL, report=lambda: None, resize=lambda picture: picture, **limits):
    return read_film(source, min_size, ReadLimits(**limits), report, resize)


def frame_of(source, at, min_size=SMALL):
    return read_frame(source, at, min_size, ReadLimits(), lambda: None)


def seconds(info):
    assert all(moment.unit == "second" for moment in info.moments)
    return [moment.at for moment in info.moments]


def far_from(picture, pixels):
    """How much a picture differs from the pixels of another, resized to its size."""
    expected = Image.fromarray(pixels).resize(picture.size, Image.Resampling.BICUBIC)
    return np.abs(np.asarray(picture).astype(int) - np.asarray(expected)).mean()


def reason(source, **limits):
    with pytest.raises(ImageError) as error:
        read(source, **limits)
    return str(error.value), error.value.cause


# -- frames


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_film_is_one_frame_of_each_shot(films, name):
    pictures, info, file = read(films[name])
    late = 1.2 if name == "MPEG" else 0.15  # a program stream this small cannot be searched by the second
    assert len(pictures) == len(STARTS)
    assert all(0 <= at - start <= late for at, start in zip(seconds(info), STARTS, strict=True))
    assert all(far_from(picture, shot) < 6 for picture, (shot, _) in zip(pictures, SHOTS, strict=False))
    assert all(picture.mode == "RGB" for picture in pictures)
    assert (info.width, info.height, info.format) == (*SIZE, NAMES.get(name, name))
    assert not info.incomplete
    assert info.content_hash == hashlib.sha256(films[name]).hexdigest()
    assert (file.path, file.size) == ("", len(films[name]))
    assert looks_like_video(films[name][:4096])


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_frame_read_at_a_moment_is_the_one_that_was_chosen(films, name):
    pictures, info, _ = read(films[name])
    for picture, moment in zip(pictures, info.moments, strict=True):
        again, about, _ = frame_of(films[name], moment.at)
        assert again.tobytes() == picture.tobytes()
        assert about.moments == (moment,) and about.content_hash == ""
        assert (about.width, about.height) == SIZE
    first, about, _ = frame_of(films[name], None)
    assert first.tobytes() == pictures[0].tobytes() and about.moments == info.moments[:1]


def test_a_path_is_read_like_bytes_and_reports_while_it_is_read(films, tmp_path):
    path = tmp_path / "film.mp4"
    path.write_bytes(films["MP4"])
    reports = []
    pictures, info, file = read(str(path), report=lambda: reports.append(1))
    in_memory, same, _ = read(films["MP4"])
    assert info == same and [a.tobytes() for a in pictures] == [b.tobytes() for b in in_memory]
    assert file.path == str(path) and file.size == path.stat().st_size and file.mtime_ns == path.stat().st_mtime_ns
    assert len(reports) >= 11  # a keyframe a second


def test_pictures_are_resized_by_the_caller_from_at_least_twice_the_size_needed():
    data = film([(pattern(1, (640, 384)), 2)])
    sizes = []

    def resize(picture):
        sizes.append(picture.size)
        return picture.resize((8, 8))

    pictures, info, _ = read(data, (64, 64), resize=resize)
    assert sizes == [(214, 128)] and pictures[0].size == (8, 8) and (info.width, info.height) == (640, 384)
    assert read(data, None)[0][0].size == (640, 384)


def test_shrinking_a_frame_changes_little_against_the_whole_frame():
    noisy = np.random.default_rng(0).integers(0, 255, (384, 640, 3), np.uint8)
    soft = np.asarray(Image.fromarray(noisy).resize((160, 96)).resize((640, 384)))
    data = film([(soft, 2)])
    small, whole = read(data, (64, 64))[0][0], read(data, None)[0][0]
    both = [np.asarray(picture.resize((64, 38), Image.Resampling.BICUBIC)).astype(int) for picture in (small, whole)]
    assert np.abs(both[0] - both[1]).mean() < 1.5


def test_a_film_that_does_not_move_is_one_frame():
    assert seconds(read(film([(pattern(1), 90)], gop=5 * RATE))[1]) == [0]


@pytest.mark.parametrize("value", [16, 235, 128])
def test_blank_frames_are_left_out_if_there_are_others(value):
    blank = (plain(value), 3)
    assert seconds(read(film([blank, (pattern(1), 3), blank]))[1]) == [3]
    assert seconds(read(film([blank]))[1]) == [0]
    assert frame_of(film([blank, (pattern(1), 3)]), None)[1].moments[0].at == 3


def test_frames_between_keyframes_that_are_far_apart_are_found_and_read_again():
    data = film([(pattern(seed), 5) for seed in range(6)], gop=10_000)
    pictures, info, _ = read(data)
    assert seconds(info) == [0, 5, 10, 15, 20, 25]
    for seed, (picture, moment) in enumerate(zip(pictures, info.moments, strict=True)):
        assert far_from(picture, pattern(seed)) < 6
        assert frame_of(data, moment.at)[0].tobytes() == picture.tobytes()


def test_a_minute_of_quick_cuts_has_twelve_frames():
    info = read(film([(pattern(seed), 1) for seed in range(75)]))[1]
    of_minutes = [sum(at // 60 == minute for at in seconds(info)) for minute in (0, 1)]
    assert of_minutes == [MOST_A_MINUTE, MOST_A_MINUTE]


def test_a_moment_is_seconds_from_the_films_beginning_also_if_its_clock_starts_later():
    late = film(SHOTS, "mpegts", container_options={"output_ts_offset": "1000"})
    assert seconds(read(late)[1])[:2] == [0, 3]


# -- the choice


def chosen(count, duration, every):
    choice = FrameChoice(duration, lambda picture: picture)
    for index in range(count):
        choice.consider(index * every, Image.fromarray(pattern(index)))
    return [frame.second for frame in choice.frames()]


@pytest.mark.parametrize(("seconds", "expected"), [(0.3, [0.7, 2.7, 5.7]), (2.5, [0.5, 3.5]), (4, [0, 2])])
def test_moments_of_a_trimmed_film_are_those_that_are_shown(films, seconds, expected):
    pictures, info, _ = read(without_its_start(films["MP4"], seconds))
    assert [moment.at for moment in info.moments][: len(expected)] == expected
    picture, *_ = frame_of(without_its_start(films["MP4"], seconds), expected[0])
    assert picture.tobytes() == pictures[0].tobytes()


def test_a_long_film_has_at_most_the_most_frames_spread_over_it():
    kept = chosen(360, 7200, 20)
    assert MOST_FRAMES // 2 < len(kept) <= MOST_FRAMES
    assert kept[0] == 0 and kept[-1] > 7000 and max(np.diff(kept)) <= 120
    assert len(chosen(500, 0, 60)) <= MOST_FRAMES  # of unknown length


def test_the_most_similar_frames_go_first_and_the_first_frame_stays():
    choice = FrameChoice(60, lambda picture: picture)
    base = pattern(0).astype(int)
    pictures = [pattern(seed) for seed in range(1, 13)]
    pictures.insert(5, np.clip(pattern(5).astype(int) + 20, 0, 255).astype(np.uint8))  # like the one before it
    for second, picture in enumerate([base.astype(np.uint8), *pictures]):
        choice.consider(second, Image.fromarray(picture))
    kept = [frame.second for frame in choice.frames()]
    assert len(kept) == MOST_A_MINUTE and kept[0] == 0 and 6 not in kept


def test_frames_may_come_in_any_order():
    choice = FrameChoice(60, lambda picture: picture)
    for second in (20, 0, 10, 5, 15):
        choice.consider(second, Image.fromarray(pattern(second // 10)))
    assert [frame.second for frame in choice.frames()] == [0, 10, 20]


# -- what the container says


@pytest.mark.parametrize(
    ("matrix", "turn"),
    [
        ((1, 0, 0, 1), None),
        ((0, 1, -1, 0), Image.Transpose.ROTATE_270),
        ((-1, 0, 0, -1), Image.Transpose.ROTATE_180),
        ((0, -1, 1, 0), Image.Transpose.ROTATE_90),
        ((-1, 0, 0, 1), Image.Transpose.FLIP_LEFT_RIGHT),
    ],
)
def test_frames_are_turned_upright_as_the_display_matrix_says(films, matrix, turn):
    turned = with_matrix(films["MP4"], matrix)
    pictures, info, _ = read(turned)
    stored = Image.fromarray(pattern(1))
    upright = stored if turn is None else stored.transpose(turn)
    assert (info.width, info.height) == upright.size
    assert far_from(pictures[0], np.asarray(upright)) < 6
    assert frame_of(turned, 3.0)[0].tobytes() == pictures[1].tobytes()


def test_pixels_that_are_not_square_stretch_the_width():
    picture = read(film([(pattern(1), 2)], ratio=Fraction(4, 3)), None)
    assert picture[0][0].size == (213, 96) and (picture[1].width, picture[1].height) == (213, 96)


def test_a_phones_film_says_when_where_and_with_what_it_was_made():
    tags = {
        "com.apple.quicktime.creationdate": "2021-06-05T10:11:12+0200",
        "com.apple.quicktime.make": "Apple",
        "com.apple.quicktime.model": "iPhone 12",
        "com.apple.quicktime.location.ISO6709": "+37.3318-122.0305+010.000/",
        "creation_time": "2022-01-01T00:00:00.000000Z",
    }
    data = film(SHOTS[:1], "mov", metadata=tags, container_options={"movflags": "use_metadata_tags"})
    info = read(data)[1]
    assert info.taken_at == datetime(2021, 6, 5, 10, 11, 12, tzinfo=timezone(timedelta(hours=2)))
    assert info.camera == "Apple iPhone 12" and info.gps == (37.3318, -122.0305)
    data = film(SHOTS[:1], metadata={"creation_time": "2021-06-05T08:11:12.000000Z", "location": "-33.8688+151.2093/"})
    info = read(data)[1]
    assert info.taken_at == datetime(2021, 6, 5, 8, 11, 12, tzinfo=timezone.utc) and info.gps == (-33.8688, 151.2093)


@pytest.mark.parametrize(
    "text",
    ["", "1904-01-01T00:00:00.000000Z", "1970-01-01T00:00:00Z", "2021-13-05T00:00:00Z", "2010", "soon", "\0" * 9],
)
def test_a_time_that_is_none_is_unknown(text):
    assert film_facts.capture_time({"creation_time": text}, {}) is None


def test_a_time_is_the_cameras_own_if_it_has_a_zone():
    both = {"creation_time": "2021-06-05T08:11:12.000000Z", "date": "2021-06-05T10:11:12+02:00"}
    assert film_facts.capture_time(both) == datetime(2021, 6, 5, 10, 11, 12, tzinfo=timezone(timedelta(hours=2)))
    assert film_facts.capture_time({**both, "date": "2021"}) == datetime(2021, 6, 5, 8, 11, 12, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("+48.8577+002.295/", (48.8577, 2.295)),
        ("+4851.46+00217.7/", (48.8576667, 2.295)),
        ("-334808.5+1511233.4/", (-33.8023611, 151.2092778)),
        ("+00.0000+000.0000/", None),
        ("+91.0+000.1/", None),
        ("Paris", None),
        ("", None),
    ],
)
def test_a_place_in_the_notation_of_iso_6709(text, position):
    assert film_facts.position({"location": text}) == position


def test_a_camera_is_the_maker_and_the_model():
    assert film_facts.camera({"make": "Canon", "model": "Canon EOS R5"}) == "Canon EOS R5"
    assert (
        film_facts.camera({}, {"com.android.manufacturer": "Google", "com.android.model": "Pixel 8"})
        == "Google Pixel 8"
    )
    assert film_facts.camera({}) is None


# -- HDR


def test_white_of_an_hdr_film_is_nearly_white_and_greys_stay_grey():
    for transfer, white in ((hdr.PQ, 148), (hdr.HLG, 191)):  # of 203 cd/m², in steps of 1/255
        greys = Image.new("RGB", (3, 1))
        greys.putdata([(0, 0, 0), (white, white, white), (255, 255, 255)])
        black, page, peak = np.asarray(hdr.to_srgb(greys, transfer, hdr.BT2020)).reshape(3, 3).astype(int)
        assert black.max() <= 1 and peak.min() >= 250
        assert page.min() >= 220 and page.max() <= 245 and np.ptp(page) <= 3


def test_a_film_of_the_usual_kind_keeps_its_colours():
    picture = Image.fromarray(pattern(1))
    assert hdr.to_srgb(picture, 1, 1) is picture and hdr.to_srgb(picture, 2, 2) is picture
    wide = np.asarray(hdr.to_srgb(picture, 1, hdr.BT2020)).astype(int)
    assert np.ptp(wide, axis=2).mean() > np.ptp(pattern(1).astype(int), axis=2).mean()  # more saturated


# -- what cannot be read


def test_a_film_cut_in_the_middle_gives_the_frames_it_has(films):
    for name in ("MKV", "WEBM", "MTS", "WMV", "AVI", "fragments"):
        data = films[name]
        info = read(data[: len(data) * 7 // 10])[1]
        assert [round(at) for at in seconds(info)] == STARTS, name
        assert info.incomplete == (name in ("MKV", "WEBM", "AVI", "fragments"))  # the others state no size
    data = film(SHOTS, container_options={"moov_size": "8000"})  # the index is at the beginning
    info = read(data[: data.index(b"mdat") + (len(data) - data.index(b"mdat")) * 7 // 10])[1]
    assert seconds(info) == STARTS and info.incomplete


def test_a_recording_without_its_index_is_named(films):
    data = films["MP4"]
    text, cause = reason(data[: len(data) // 2])
    assert text.startswith("cannot be decoded: ") and "moov" in text and cause == "content"


def test_a_film_that_points_outside_its_file_is_damaged_and_not_a_drive():
    assert VideoStream(io.BytesIO(b"1234"), 4, 1, lambda: None).seek(-9) < 0


def test_files_without_pictures_say_so():
    assert reason(sound_only()) == ("has no video track: it holds only sound", "content")
    assert reason(b"") == ("empty file", "content")
    assert reason(b"\0\0\0\x18ftypM4A " + bytes(100))[0] == "has no video track: it holds only sound"
    assert reason(b"abcdefgh" * 100)[0] == "not a film in a format that clipsearch reads"
    assert reason(b"\x1a\x45\xdf\xa3" + bytes(500))[0].startswith("cannot be decoded: ")


def test_an_unknown_or_encrypted_codec_is_named(films):
    data = films["MP4"]
    assert "codec (zzzz)" in reason(data.replace(b"avc1", b"zzzz"))[0]
    assert reason(data.replace(b"avc1", b"encv"))[0] == "cannot be decoded: it is encrypted (DRM)"
    assert "codec (FFV1)" in reason(film(SHOTS[:1], "avi", "ffv1"))[0]


@pytest.mark.parametrize(
    "text",
    [
        "ffconcat version 1.0\nfile '/etc/passwd'\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n",
        "<?xml version='1.0'?><MPD></MPD>",
    ],
)
def test_playlists_are_refused_because_they_name_other_files(text, tmp_path):
    path = tmp_path / "film.mp4"
    path.write_text(text)
    assert reason(str(path)) == ("not a film in a format that clipsearch reads", "content")


def test_a_film_may_not_open_another_file():
    with pytest.raises(PermissionError, match="may not open"):
        video._refuse_to_open("http://127.0.0.1/", 0, {})


def test_a_file_that_cannot_be_opened_is_a_failure_of_access(tmp_path):
    assert reason(str(tmp_path / "gone.mp4"))[1] == "access"
    assert reason(str(tmp_path))[0] in ("not a regular file", "a folder, and not a picture")


def test_a_drive_that_fails_is_to_blame_not_the_film(films, monkeypatch):
    class Failing(io.BytesIO):
        def read(self, count=-1):
            if self.tell() > 4096:
                raise OSError(5, "Input/output error")
            return super().read(min(count, 4096))

    monkeypatch.setattr(video_stream.io, "BytesIO", Failing)
    assert reason(films["MKV"]) == ("Input/output error", "access")


def test_a_frame_with_too_many_pixels_is_refused(films):
    text, cause = reason(films["MP4"], max_pixels=10_000)
    assert text.startswith("160 x 96 pixels are more than") and cause == "pixels"


def test_a_film_that_takes_too_long_gives_what_was_found_or_says_so(films, monkeypatch):
    clock = iter(range(10_000))
    monkeypatch.setattr(video_stream.time, "process_time", lambda: next(clock) * 0.5)
    pictures, info, _ = read(films["MKV"])
    assert pictures and info.content_hash
    monkeypatch.setattr(video_stream.time, "process_time", lambda: next(clock) * 1000)
    assert reason(films["MKV"])[1] == "time"


def test_without_the_extra_the_reason_says_how_to_install_it(films, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    assert reason(films["MP4"]) == (MISSING_DECODER, "content")


def test_broken_bytes_give_frames_or_a_reason(films):
    chance = np.random.default_rng(4)
    for name in ("MP4", "MKV", "AVI", "MTS", "WMV"):
        for _ in range(6):
            data = bytearray(films[name])
            for at in chance.integers(0, len(data), 30):
                data[at] ^= 1 << chance.integers(8)
            try:
                pictures, info, _ = read(bytes(data))
            except ImageError as error:
                assert str(error)
            else:
                assert len(pictures) == len(info.moments) > 0


def test_reading_a_film_imports_no_numpy(films, tmp_path):
    path = tmp_path / "film.mp4"
    path.write_bytes(films["MP4"])
    program = (
        "import sys\nfrom clipsearch.images.video import read_film\nfrom clipsearch.images.files import ReadLimits\n"
        f"pictures, *_ = read_film({json.dumps(str(path))}, (32, 32), ReadLimits(), lambda: None, lambda it: it)\n"
        "print(len(pictures), 'numpy' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True).stdout
    assert out.split() == ["3", "False"]
