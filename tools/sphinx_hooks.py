"""Sphinx extension: mends what the theme makes of pages that are staged notebooks."""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx


def leave_one_search_button(app: Sphinx, config: Any) -> None:
    """Keep the search button of the side bar and drop the one above the page."""
    config.html_theme_options["navbar_persistent"] = []


def mend_links(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """Point Colab at ``notebooks/*.ipynb`` and the source buttons at ``book/*.md``.

    The theme takes both from the page that Sphinx read, ``book/*.ipynb``, which exists only
    while the book is built.
    """
    staged = f"/book/{pagename}."
    for button in _links(context.get("header_buttons", [])):
        before, found, _ = button["url"].partition(staged)
        if not found:
            continue
        if "colab" in before:
            button["url"] = f"{before}/notebooks/{pagename}.ipynb"
        else:
            button["url"] = f"{before}/book/{pagename}.md"


def _links(buttons: list[dict]) -> list[dict]:
    inner = [b for group in buttons for b in group.get("buttons", [])]
    return [button for button in [*buttons, *inner] if "url" in button]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the hooks, `mend_links` after the theme's own."""
    app.connect("config-inited", leave_one_search_button)
    app.connect("html-page-context", mend_links, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
