"""What every chapter's front matter says of it, and the box that shows it below the title."""

from __future__ import annotations

import os.path
import re
from collections.abc import Mapping
from pathlib import PurePosixPath

from tools.sources import Source

LEVELS = ("introductory", "intermediate", "advanced")
_TITLE = re.compile(r"^# +(.+)$", re.MULTILINE)


def title(page: Source) -> str:
    """Return the text of the page's first heading.

    Raises
    ------
    ValueError
        If the page has no first-level heading.
    """
    match = _TITLE.search(page.text)
    if not match:
        raise ValueError(f"book/{page.name}.md must begin with a heading '# Title'; it has none")
    return match.group(1).strip()


def _checked(page: Source, known: Mapping[str, str]) -> dict:
    meta = page.front_matter.get("chapter")
    expected = {"objectives", "prerequisites", "minutes", "difficulty"}
    if not isinstance(meta, dict) or set(meta) != expected:
        got = sorted(meta) if isinstance(meta, dict) else meta
        raise ValueError(f"book/{page.name}.md: 'chapter' must have {sorted(expected)}; got {got}")
    if not 3 <= len(meta["objectives"]) <= 6:
        count = len(meta["objectives"])
        raise ValueError(f"book/{page.name}.md: expected 3 to 6 objectives, got {count}")
    if meta["difficulty"] not in LEVELS:
        level = meta["difficulty"]
        raise ValueError(f"book/{page.name}.md: difficulty must be one of {LEVELS}, got {level!r}")
    if unknown := set(meta["prerequisites"]) - known.keys():
        raise ValueError(f"book/{page.name}.md: unknown prerequisites {sorted(unknown)}")
    return meta


def with_opening(page: Source, titles: Mapping[str, str]) -> Source:
    """Add the box with objectives, prerequisites, time and level below a chapter's title.

    Parameters
    ----------
    page : Source
        A page; one that is no notebook is returned as it is.
    titles : mapping
        From the name of every page to its title.

    Raises
    ------
    ValueError
        If the front matter lacks something, or names an unknown chapter.
    """
    if not page.is_notebook:
        return page
    meta = _checked(page, titles)
    folder = PurePosixPath(page.name).parent.as_posix()
    before = ", ".join(
        f"[{titles[name]}]({os.path.relpath(name, folder)}.md)" for name in meta["prerequisites"]
    )
    goals = "\n".join(f"- {goal}" for goal in meta["objectives"])
    box = (
        ":::{admonition} In this chapter\n:class: chapter-opening\n"
        f"When you have worked through it, you can\n\n{goals}\n\n"
        f"**Read before:** {before or 'nothing'}. "
        f"**Time:** about {meta['minutes']} minutes. **Level:** {meta['difficulty']}.\n:::\n"
    )
    heading = _TITLE.search(page.text).end()
    return Source(page.name, f"{page.text[:heading]}\n\n{box}{page.text[heading:]}")
