"""Every entry of the errata stands on its page, and its proof puts out what the page shows."""

import os
import posixpath
import re
import subprocess
import sys

import pytest

from tools.errata import read_errata, run
from tools.sources import BOOK

ENTRIES = read_errata(BOOK).entries
PROVED = [entry for entry in ENTRIES if entry.proof and entry.proof.needs != "torchtext"]
GLOBAL_RANDOM = re.compile(r"np\.random\.(?!default_rng|Generator)|import random|from random")

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def letters(text):
    """Keep what markup, typographic quotes and line breaks leave as it is."""
    return re.sub(r"[\W_]+", "", re.sub(r"\]\([^)\s]+\)", "", text))


def test_no_entry_is_missing():
    assert [entry.name for entry in ENTRIES] == [f"E{number:02d}" for number in range(1, 295)]


def test_every_entry_stands_on_the_page(public):
    page = public["appendix/errata"]
    assert {entry.label for entry in ENTRIES} <= page.ids
    shown = letters(page.text)
    for entry in ENTRIES:
        for text in (f"{entry.name} {entry.title}", entry.where, entry.says, entry.right):
            assert letters(text) in shown, f"{entry.name}: {text}"
    assert "% errata" not in page.text


def test_every_proof_stands_on_the_page_with_its_output(public):
    page = public["appendix/errata"]
    for entry in ENTRIES:
        if entry.proof:
            assert entry.proof.code in page.text, entry.name
            assert entry.proof.output in page.text, entry.name


def test_entries_lead_to_the_chapters_that_use_them(public, sources):
    links = {link.get("href") for link in public["appendix/errata"].all("a")}
    for name, page in sources.items():
        if "appendix/errata.md#" in page.text:
            assert f"{posixpath.relpath(name, 'appendix')}.html" in links


@pytest.mark.parametrize("entry", PROVED, ids=lambda entry: entry.name)
def test_a_proof_puts_out_what_the_page_shows(entry):
    if entry.proof.needs == "torch":
        pytest.importorskip("torch")
    assert run(entry.proof) == entry.proof.output


def test_no_proof_depends_on_what_ran_before():
    random = [entry.name for entry in PROVED if GLOBAL_RANDOM.search(entry.proof.code)]
    assert random == []


def test_proofs_are_formatted_and_fit_the_page(tmp_path):
    for entry in ENTRIES:
        if entry.proof:
            assert max(map(len, entry.proof.code.splitlines())) <= 84, entry.name
            (tmp_path / f"{entry.label}.py").write_text(f"{entry.proof.code}\n", encoding="utf-8")
    command = [sys.executable, "-m", "ruff", "format", "--check", "--isolated", str(tmp_path)]
    result = subprocess.run(
        [*command, "--line-length", "84"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout
