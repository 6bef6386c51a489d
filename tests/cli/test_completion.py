"""`clipsearch completion`, and the commands that its scripts run."""

import shlex
import shutil
import subprocess
import sys

import pytest

from clipsearch import SearchEngine
from tests.architecture.test_import_rule import HEAVY
from tests.cli.running import run_here
from tests.conftest import give_facts, index_with_colours


def completed(shell, line, word, **more):
    """The completions that a shell's script gets for a line with the cursor at `word`, and the modules that were loaded."""
    environment = {"_CLIPSEARCH_COMPLETE": f"{shell}_complete", "COMP_WORDS": line, "COMP_CWORD": word, **more}
    code = f"""
import os, sys
os.environ.update({environment!r})
from clipsearch.cli import main
try:
    main([])
finally:
    print(*{{name.split('.')[0] for name in sys.modules}}, file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "Traceback" not in done.stderr
    return done.stdout.splitlines(), set(done.stderr.split())


def completed_by_bash(script, word, line, quote, folder):
    """What the script for bash has bash insert for a word, if clipsearch answers with a line and gets a quote."""
    if not shutil.which("bash"):
        return line.removeprefix("plain,")
    answer = f'[ "$COMP_QUOTE" = {shlex.quote(quote)} ] && printf "%s\\n" {shlex.quote(line)}'
    (folder / "clipsearch").write_text(f"#!/bin/sh\n{answer}\n")
    (folder / "clipsearch").chmod(0o755)
    code = f"PATH={shlex.quote(str(folder))}:$PATH\n{script}\nCOMP_WORDS=(clipsearch {shlex.quote(word)}); COMP_CWORD=1"
    code += "\n_clipsearch_completion clipsearch; printf '%s|' \"${COMPREPLY[@]}\""
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, timeout=60)
    assert not done.stderr and done.stdout.endswith("|")
    return done.stdout[:-1]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_a_script_is_printed_for_every_shell(shell, tmp_path):
    status, output, _ = run_here("completion", shell, cwd=tmp_path)
    assert status == 0 and b"_CLIPSEARCH_COMPLETE" in output and f"{shell}_complete".encode() in output


def test_the_script_for_bash_is_valid(tmp_path):
    if not shutil.which("bash"):
        pytest.skip("there is no bash here")
    script = run_here("completion", "bash", cwd=tmp_path)[1]
    assert subprocess.run(["bash", "-n"], input=script, capture_output=True, timeout=60).stderr == b""


@pytest.mark.parametrize(
    ("shell", "line", "word", "values"),
    [
        ("bash", "clipsearch query --sort = da", "4", ["plain,date"]),
        ("bash", "clipsearch query --sort = ", "3", ["plain,score", "plain,likely", "plain,date"]),
        ("bash", "clipsearch query --in = here --sort = da", "7", ["plain,date"]),
        ("zsh", "clipsearch query --sort=da", "2", ["plain", "--sort=date"]),
        ("fish", "clipsearch query --sort=da", "--sort=da", ["plain,--sort=date"]),
        ("powershell", "clipsearch query --sort=da", "--sort=da", ["plain\t--sort=date\t--sort=date"]),
        ("powershell", "clipsearch query --sort 'da", "'da", ["plain\tdate\tdate"]),
    ],
)
def test_a_value_after_an_equals_sign_is_completed(shell, line, word, values):
    assert completed(shell, line, word)[0][: len(values)] == values


def test_fish_gets_whole_help_texts_and_values(tmp_path):
    """Some have commas, and a comma also separates the kind of a completion from its text."""
    script = run_here("completion", "fish", cwd=tmp_path)[1].decode()
    assert 'string split --max 1 "," -- $completion' in script
    if not shutil.which("fish"):
        return
    (tmp_path / "clipsearch").write_text("#!/bin/sh\nprintf 'plain,Doe, Ann\\tA, b, c\\nplain,-n\\tNo\\n'\n")
    (tmp_path / "clipsearch").chmod(0o755)
    code = f"set -x PATH {tmp_path} $PATH\n{script}\ncomplete -C 'clipsearch query '"
    done = subprocess.run(["fish", "--no-config", "-c", code], capture_output=True, text=True, timeout=60)
    assert sorted(done.stdout.splitlines()) == ["-n\tNo", "Doe, Ann\tA, b, c"] and not done.stderr
    (tmp_path / "photos").mkdir()
    (tmp_path / "clipsearch").write_text("#!/bin/sh\necho dir,pho\n")
    code = f"set -x PATH {tmp_path} $PATH\n{script}\ncomplete -C 'clipsearch query --in=pho'"
    done = subprocess.run(["fish", "--no-config", "-c", code], capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert done.stdout.partition("\t")[0].strip() == "--in=photos/" and not done.stderr


def test_commands_and_options_are_completed_without_importing_anything_heavy():
    lines, modules = completed("bash", "clipsearch qu", "1")
    assert lines == ["plain,query"] and not modules & HEAVY
    lines, modules = completed("bash", "clipsearch query --min-", "2")
    assert {"plain,--min-match", "plain,--min-score", "plain,--min-width"} <= set(lines) and not modules & HEAVY


def test_folders_and_choices_are_completed():
    assert completed("bash", "clipsearch index --index ", "3")[0] == ["dir,"]
    assert completed("bash", "clipsearch query --sort ", "3")[0] == [
        "plain,score",
        "plain,likely",
        "plain,date",
        "plain,oldest",
        "plain,name",
    ]


def test_powershell_is_told_kind_text_and_help():
    lines, _ = completed("powershell", "clipsearch sta", "sta")
    assert [line.split("\t")[:2] for line in lines] == [["plain", "stats"], ["plain", "status"]]
    assert completed("powershell", "clipsearch index --index ", "")[0] == ["dir\t\t"]
    lines, _ = completed("powershell", "clipsearch query --sort ", "")
    assert [line.split("\t")[1] for line in lines] == ["score", "likely", "date", "oldest", "name"]


def test_models_files_and_values_of_the_index_are_completed(five_photos, tmp_path):
    folder = shutil.copytree(five_photos, tmp_path / "photos")
    assert index_with_colours(folder).failed == 0
    give_facts(folder / ".clipsearch", "red.jpg", camera="Canon EOS 70D")
    give_facts(folder / ".clipsearch", "blue.jpg", camera="NIKON D90")
    lines, modules = completed("bash", "clipsearch query --model mi", "3")
    assert lines == ["plain,mini"] and not modules & {"torch", "openvino", "faiss"}
    assert completed("zsh", "clipsearch models pull google/siglip2-base-patch32", "3")[0][1].startswith(
        "google/siglip2"
    )
    assert completed("bash", "clipsearch query re", "2")[0] == ["file,re"]
    index = f"--index {folder}"
    assert completed("bash", f"clipsearch query {index} --camera ca", "5")[0] == ["plain,Canon\\ EOS\\ 70D"]
    give_facts(folder / ".clipsearch", "green.jpg", people=["\u0141ukasz", "Bj\u00f8rn", "Gro\u00df"])
    for begun, name in (("lu", "\u0141ukasz"), ("BJORN", "Bj\u00f8rn"), ("gross", "Gro\u00df")):
        assert completed("fish", f"clipsearch query {index} --person {begun}", begun)[0] == [f"plain,{name}"]
    assert completed("fish", f"clipsearch query {index} --camera ", "")[0] == ["plain,Canon EOS 70D", "plain,NIKON D90"]
    with SearchEngine.open(folder) as engine:
        engine.albums.add("Italy 2016", engine.browse(top_k=1)[0])
    assert completed("bash", f"clipsearch query {index} --album it", "5")[0] == ["plain,Italy\\ 2016"]
    give_facts(folder / ".clipsearch", "red.jpg", keywords=["Golden wedding's $1"])
    script = run_here("completion", "bash", cwd=tmp_path)[1].decode()
    for begun, inserted in (
        ("Gol", r"Golden\ wedding\'s\ \$1"),
        (r"Golden\ w", r"Golden\ wedding\'s\ \$1"),
        ('"Golden w', r"Golden wedding's \$1"),
        ("'Gol", r"Golden wedding'\''s $1"),
    ):
        quote = begun[0] if begun[0] in "\"'" else ""
        (line,) = completed("bash", f"clipsearch query {index} --keyword {begun}", "5", COMP_QUOTE=quote)[0]
        assert line == f"plain,{inserted}"
        assert completed_by_bash(script, begun, line, quote, tmp_path) == inserted
    assert "plain,jpeg" in completed("bash", f"clipsearch stats {index} --format ", "5")[0]
    assert completed("bash", "clipsearch help exit", "2")[0] == ["plain,exit-statuses"]
