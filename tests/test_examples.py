"""Every example in the help texts, the README and the documentation runs as printed, on data/photos."""

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from PIL import Image

from clipsearch import SearchEngine
from clipsearch.cli import cli
from clipsearch.cli.help import TOPICS, topic_text
from tests.cli.running import run_here
from tests.conftest import PHOTOS, ROOT

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the examples are for a Unix shell")


SIDECAR = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="4">
<dc:description><rdf:Alt><rdf:li xml:lang="x-default">The train ticket cost 9 euros</rdf:li></rdf:Alt></dc:description>
<dc:subject><rdf:Bag><rdf:li>holiday</rdf:li></rdf:Bag></dc:subject></rdf:Description></rdf:RDF></x:xmpmeta>"""


def examples():
    """Return (page, line) for each example. Lines with "forget" come last, so the others still find their photos."""
    found = []

    def visit(command, name):
        lines = [line.strip() for line in (command.help or "").splitlines()]
        found.extend((name, line) for line in lines if line.startswith("clipsearch ") and "$PROFILE" not in line)
        for child in command.list_commands(None) if isinstance(command, click.Group) else ():
            visit(command.get_command(None, child), child)

    visit(cli, "clipsearch")
    for topic in TOPICS:
        found.extend((topic, line.strip()) for line in topic_text(topic).splitlines() if "    clipsearch " in line)
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        if page.name != "tutorial.md":  # tests/docs/test_tutorial.py runs its commands in order
            blocks = re.findall(r"^```console\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
            shown = re.findall(r"^\$ (clipsearch .*)$", "".join(blocks), re.MULTILINE)
            found += [(page.stem, line) for line in shown]
    lines = {}
    for where, line in found:
        lines.setdefault(line.partition("  #")[0].strip(), where)
    return sorted(((where, line) for line, where in lines.items()), key=lambda item: "forget" in item[1])


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    """A home with ~/Photos, indexed by mini, and a work folder. The real home is not used."""
    home = tmp_path_factory.mktemp("home")
    photos, work = home / "Photos", home / "work"
    pictures = [path for path in sorted(PHOTOS.iterdir()) if path.suffix in (".jpg", ".png", ".webp")]
    for folder, some in (
        ("", pictures[4:]),
        ("2024", pictures[:2]),
        ("phone", pictures[2:3]),
        ("screenshots", pictures[3:4]),
    ):
        (photos / folder).mkdir(parents=True, exist_ok=True)
        for path in some:
            shutil.copy(path, photos / folder)
    for name in ("giraffe again.jpg", "giraffe once more.jpg"):
        shutil.copy(PHOTOS / "giraffe.jpg", photos / "phone" / name)
    with Image.open(PHOTOS / "mountain-trail.jpg") as image:
        exif = image.getexif()
        exif.get_ifd(0x8769)[0x9003] = "2024:07:15 12:30:00"
        exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 8.0, 24.0), 3: "E", 4: (11.0, 34.0, 48.0)})
        image.save(photos / "2024" / "dated.jpg", exif=exif)
    (photos / "2024" / "dated.jpg.xmp").write_text(SIDECAR)
    (home / "cars").mkdir()
    (home / ".config" / "fish" / "completions").mkdir(parents=True)
    work.mkdir()
    shutil.copytree(PHOTOS, work / "data" / "photos")
    for name in ("giraffe.jpg", "cat.png"):
        shutil.copy(PHOTOS / name, work)
    (work / "DIR").symlink_to(work / "data" / "photos")
    (work / "labels.jsonl").write_text(
        '{"image": "giraffe.jpg", "label": "giraffe"}\n{"image": "cat.png", "label": "cat"}\n'
    )
    (work / "queries.txt").write_text("a dog\na cup of coffee + a table\n")
    (work / "labels.txt").write_text("cat\ndog\nmountains\na cup of coffee\n")
    changed = {
        "HOME": str(home),
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(home / "hub"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        **{f"XDG_{name}_HOME": str(home / name) for name in ("STATE", "DATA", "CACHE")},
    }
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CLIPSEARCH_")} | changed

    def run(line):
        if not set("|<>$;&*") & set(line):  # the line needs no shell, only splitting
            words = [word.replace("~", str(home)) for word in shlex.split(line)[1:]]
            folder = photos if words == ["index"] else work  # without a folder, `index` updates the index around it
            status, output, errors = run_here(*words, cwd=folder, **changed)
            return subprocess.CompletedProcess(line, status, output.decode(), errors)
        return subprocess.run(
            ["bash", "-o", "pipefail", "-c", line],
            cwd=work,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
        )

    for line in (
        "index ~/Photos --model mini",
        "export photos.npy",
        "export other.jsonl",
        "export laptop.npy --in ~/Photos --relative",
    ):
        first = run(f"clipsearch {line}")
        assert first.returncode == 0, first.stderr
    with SearchEngine.open(photos) as engine:
        for album in ("Favourites", "Italy"):
            engine.albums.add(album, engine.browse(top_k=2)[0])
    shutil.copytree(photos / ".clipsearch", home / "Archive" / ".clipsearch")
    given = set(work.iterdir())

    def run_until_told(line):
        """Run a command that does not end by itself, stop it by Ctrl-C, and return its exit status and output."""
        quietly = "exec " + line.replace("clipsearch serve", "clipsearch serve --no-open --port 0")
        process = subprocess.Popen(
            ["bash", "-c", quietly],
            cwd=work,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        first = (process.stdout if "serve" in line else process.stderr).readline()
        time.sleep(0.1 if "serve" in line else 1)  # a server that has printed its address is ready
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
        return subprocess.CompletedProcess(line, process.returncode, first + output, errors)

    def run_afresh(line):
        works_on = line.startswith("clipsearch serve") or "--watch" in line
        done = run_until_told(line) if works_on else run(line)
        for path in set(work.iterdir()) - given:  # the next example may create it again
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        return done

    return run_afresh


@pytest.fixture(scope="module")
def silent_port():
    """A port of this machine that nothing listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.mark.parametrize(("where", "line"), [pytest.param(*item, id=f"{item[0]}: {item[1]}") for item in examples()])
def test_it_runs(sandbox, silent_port, where, line):
    if "--measure" in line:
        pytest.skip("takes minutes; tests/encoders/test_recommended.py measures a small model")
    if line.startswith(("clipsearch export photos.npy", "clipsearch export laptop.npy")):
        line += " --force"  # the fixture has already written the file
    line = line.replace("127.0.0.1:8100", f"127.0.0.1:{silent_port}")  # a server of the user may listen there
    done = sandbox(line)
    assert "Traceback" not in done.stderr and "unexpected" not in done.stderr
    if line.startswith("clipsearch browse"):  # there is no terminal; tests/terminal has more
        assert (done.returncode == 2 and "needs a terminal" in done.stderr) or "clipsearch[tui]" in done.stderr
    elif line.startswith("clipsearch serve") or "--watch" in line:
        assert done.returncode in (0, 130) and done.stdout, done.stderr
        assert "--watch" in line or done.stdout.startswith("http://127.0.0.1:")
    elif "--ray" in line:  # all is indexed, so no cluster starts; tests/distributed has more
        assert done.returncode == 0 or "clipsearch[ray]" in done.stderr, done.stderr
    elif "--server" in line:  # no server runs; tests/server has more
        assert done.returncode == 1 and f"http://127.0.0.1:{silent_port}" in done.stderr
    elif "--store" in line:  # no store runs; tests/milvus has more
        assert done.returncode == 5 and "milvus://127.0.0.1:19530/photos does not answer" in done.stderr
    elif any(
        name in line for name in ("openai/", "google/", "sentence-transformers/")
    ):  # the hub cannot be reached, and the message says so
        assert done.returncode == 1 and "hub" in done.stderr
    else:
        assert done.returncode == 0, done.stderr
        assert (
            done.stdout
            or "failures" in line
            or "label receipt" in line  # none of these photos is a likely one
            or "forget" in line
            or " cp " in line
            or "mcp" in line
            or ">" in line
            or "albums" in line
        )


def test_there_are_examples_for_every_command():
    shown = {line.split()[1] for _, line in examples()}
    assert shown >= set(cli.list_commands(None))
