"""Ask a terminal what it can draw: one terminal answers, one is silent, and one is late."""

import json
import os
import select
import subprocess
import sys
import textwrap
import time

import pytest

from clipsearch.terminal.capabilities import best_protocol, has_all_colours

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")

CHILD = """
    import json, os, select, sys, termios, time
    from clipsearch.terminal.capabilities import best_protocol, cell_size
    before = termios.tcgetattr(0)
    start = time.monotonic()
    with best_protocol({"TERM": "xterm-256color"}) as protocol:
        took = time.monotonic() - start
        time.sleep(float(sys.argv[1]))  # while photos are decoded
    time.sleep(0.3)
    left = os.read(0, 100).decode() if select.select([0], [], [], 0)[0] else ""
    same = before == termios.tcgetattr(0)
    print(json.dumps([protocol, took, left, same, cell_size()]), flush=True)
"""
QUESTION = b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\\x1b[c"
KITTY = b"\x1b_Gi=31;OK\x1b\\"


@pytest.fixture
def ask():
    """Run CHILD on a terminal that sends `answer` after `delay`. Returns [protocol, seconds, bytes left, same modes, cell]."""

    def run(answer, delay=0.0, busy=0.0, code=CHILD, size=(24, 80, 0, 0)):
        import fcntl
        import pty
        import struct
        import termios

        terminal, inside = pty.openpty()
        fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", *size))
        read, write = os.pipe()
        launch = "import os, fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
        child = subprocess.Popen(
            [sys.executable, "-c", launch + textwrap.dedent(code), str(busy)],
            stdin=inside,
            stdout=inside,
            stderr=write,
            start_new_session=True,
        )
        os.close(inside)
        os.close(write)
        received, asked_at, end = b"", None, time.monotonic() + 30
        while child.poll() is None and time.monotonic() < end:
            if select.select([terminal], [], [], 0.02)[0]:
                try:
                    received += os.read(terminal, 4096)
                except OSError:
                    break
            if asked_at is None and QUESTION in received:
                asked_at = time.monotonic()
            if answer and asked_at is not None and time.monotonic() >= asked_at + delay:
                os.write(terminal, answer)
                answer = b""
        status = child.wait(10)
        errors = os.read(read, 10000) if select.select([read], [], [], 0)[0] else b""
        os.close(terminal)
        os.close(read)
        assert status == 0, errors.decode()
        return json.loads(received.replace(QUESTION, b"").strip().splitlines()[-1])

    return run


@pytest.mark.parametrize(
    ("answer", "protocol"),
    [
        (b"\x1b[?62;4;22c", "sixel"),
        (b"\x1b[?64;1;2;14;22c", "blocks"),
        (b"\x1b[?6c", "blocks"),
        (KITTY + b"\x1b[?62;4c", "kitty"),
        (b"\x1b_Gi=31;ENOTSUPPORTED:no\x1b\\\x1b[?62c", "blocks"),
    ],
)
def test_a_terminal_says_what_it_can(ask, answer, protocol):
    drawing, took, left, same, _ = ask(answer)
    assert (drawing, left, same) == (protocol, "", True) and took < 2


def test_a_silent_terminal_is_not_waited_for(ask):
    drawing, took, left, same, _ = ask(b"")
    assert (drawing, left, same) == ("blocks", "", True) and 0.15 < took < 2


def test_a_late_answer_is_not_left_to_the_shell(ask):
    drawing, _, left, same, _ = ask(b"\x1b[?62;4c\n", delay=0.5, busy=1.2)
    assert (drawing, left, same) == ("blocks", "", True)


def test_an_answer_in_pieces_is_put_together(ask):
    pieces = CHILD.replace("import json", "import clipsearch.terminal.capabilities as t; t._PATIENCE = 3; import json")
    drawing, *_ = ask(KITTY + b"\x1b[?62;4c", delay=0.3, code=pieces)
    assert drawing == "kitty"


def test_ctrl_c_while_asking_restores_the_terminal(ask):
    code = """
        import json, os, signal, sys, termios, threading
        from clipsearch.terminal.capabilities import best_protocol
        before = termios.tcgetattr(0)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        threading.Timer(0.1, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        try:
            with best_protocol({"TERM": "xterm"}):
                import time; time.sleep(2)
            protocol = "not interrupted"
        except KeyboardInterrupt:
            protocol = "interrupted"
        print(json.dumps([protocol, 0, "", before == termios.tcgetattr(0), None]), flush=True)
    """
    assert ask(b"", code=code)[:4] == ["interrupted", 0, "", True]


def test_the_size_of_a_cell_is_known_where_the_terminal_says_it(ask):
    assert ask(b"\x1b[?6c", size=(24, 80, 800, 480))[4] == [10, 20]
    assert ask(b"\x1b[?6c", size=(24, 80, 0, 0))[4] is None


@pytest.mark.parametrize(
    ("environment", "protocol"),
    [
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "1"}, "kitty"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "ghostty"}, "kitty"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, "iterm2"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, "iterm2"),
        ({"TERM": "linux"}, "blocks"),
        ({}, "blocks"),
    ],
)
def test_the_environment_is_believed_without_asking(environment, protocol, monkeypatch):
    monkeypatch.setattr("clipsearch.terminal.capabilities._conversation", lambda: pytest.fail("asked"))
    with best_protocol(environment) as drawing:
        assert drawing == protocol


@pytest.mark.parametrize("term", ["screen-256color", "tmux-256color"])
def test_within_tmux_only_the_answer_counts(term, monkeypatch):
    monkeypatch.setattr(
        "clipsearch.terminal.capabilities._conversation", lambda: (_ for _ in ()).throw(OSError("no terminal"))
    )
    with best_protocol({"TERM": term, "TMUX": "1", "KITTY_WINDOW_ID": "1"}) as drawing:
        assert drawing == "blocks"


def test_colours_are_told_by_the_environment():
    assert has_all_colours({"COLORTERM": "truecolor"}) and has_all_colours({"TERM": "xterm-kitty"})
    assert not has_all_colours({"TERM": "xterm-256color"})
