"""The authors' commands: ``python -m tools book`` and ``python -m tools notebooks``."""

from __future__ import annotations

import argparse
import sys
import time

from tools import learners, site
from tools.editions import EDITIONS, Edition
from tools.execution import ExecutionFailed, execute
from tools.sources import ROOT, read_book


def build_book(edition: Edition) -> None:
    """Execute what has changed and build the HTML book."""
    started = time.monotonic()
    pages = read_book()
    executed = execute(pages)
    site.stage(pages, executed, edition)
    print(f"Building the pages ({edition} edition).", flush=True)
    first = site.build(edition)
    made = learners.learners_notebooks(pages, executed, edition)
    learners.write(made, site.html_folder(edition) / "_sources")
    print(f"Done in {time.monotonic() - started:.0f} s. Open {first}")


def write_notebooks(edition: Edition) -> None:
    """Write the notebooks for Jupyter and Colab."""
    pages = read_book()
    folder = ROOT / ("notebooks" if edition == "public" else "_build/instructor/notebooks")
    made = learners.learners_notebooks(pages, execute(pages), edition)
    learners.write(made, folder)
    print(f"Wrote {len(made)} notebooks to {folder}")


def main() -> int:
    """Run the command that the command line names; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools", description=__doc__)
    parser.add_argument("command", choices=["book", "notebooks"])
    parser.add_argument("--edition", choices=EDITIONS, default="public")
    arguments = parser.parse_args()
    command = {"book": build_book, "notebooks": write_notebooks}[arguments.command]
    try:
        command(arguments.edition)
    except KeyboardInterrupt:
        print("\nInterrupted. Finished notebooks are kept; the next call goes on from there.")
        return 130
    except (ExecutionFailed, site.SiteFailed, ValueError) as error:
        print(f"FAILED: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
