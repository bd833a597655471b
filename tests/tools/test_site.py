import pytest

from tools import site

CONFIG = """\
title: Tiny
execute: {execute_notebooks: "off"}
only_build_toc_files: true
"""


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A book of one page whose text the test sets."""
    staging = tmp_path / "staging"
    staging.mkdir()
    (staging / "_toc.yml").write_text("format: jb-book\nroot: index\n")
    (staging / "_config.yml").write_text(CONFIG)
    monkeypatch.setattr(site, "BUILD", tmp_path / "build")
    monkeypatch.setattr(site, "staging_folder", lambda edition: staging)
    monkeypatch.setattr(site, "output_folder", lambda edition: tmp_path)
    return staging / "index.md"


def test_a_sound_page_builds(tiny):
    tiny.write_text("# Tiny\n")
    assert site.build("public").exists()


def test_a_warning_fails_the_build_and_fails_it_again(tiny):
    tiny.write_text("# Tiny\n\n{ref}`nowhere`\n")
    for _ in range(2):
        with pytest.raises(site.SiteFailed, match="nowhere"):
            site.build("public")


def test_links_name_the_file_or_the_label_that_sphinx_reads():
    text = "[a](b.md), [c](../d/e.md#f), [g](https://example.org/h.md), `i.md`"
    linked = site._linked(text, "part/page", {"part/b", "d/e"})
    assert linked == "[a](b.ipynb), [c](#f), [g](https://example.org/h.md), `i.md`"
    assert site._linked("[s](status.md)", "appendix/faq", set()) == "[s](status.md)"
