"""A nightly job: bring an index up to date, and report unreadable files. The exit status is for cron or systemd.

python examples/nightly.py ~/Photos
"""

import sys

import clipsearch


def main(folder: str) -> int:
    with clipsearch.SearchEngine.open(folder) as engine:
        try:
            report = engine.index()
        except clipsearch.ClipsearchError as error:  # for example, a drive is not mounted or another process is writing
            print(f"not indexed: {error}", file=sys.stderr)
            return 1
        print(f"{report.added} added, {report.updated} updated, {report.removed} removed in {report.seconds:.0f} s")
        for failure in engine.failures():
            print(f"cannot read {failure.file.path}: {failure.reason}", file=sys.stderr)
        return 3 if report.failed else 0


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit("usage: python examples/nightly.py FOLDER")
    sys.exit(main(sys.argv[1]))
