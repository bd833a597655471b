import re
from urllib.parse import unquote, urlsplit

import matplotlib.pyplot as plt
import nbformat
import pytest

from tools.editions import code_cells
from tools.learners import out_of_step
from tools.settings import git_ref, settings
from tools.site import html_folder
from tools.sources import ROOT


def is_local(address):
    return not urlsplit(address).scheme and not address.startswith("//")


def test_every_page_of_the_book_is_built(public, sources):
    assert set(sources) <= set(public)


@pytest.mark.parametrize("edition", ["public", "instructor"])
def test_every_code_cell_stands_executed_on_its_page(edition, request, sources, executed):
    pages = request.getfixturevalue(edition)
    for name, notebook in executed.items():
        run = [cell for cell in notebook.cells if cell.cell_type == "code"]
        assert all(cell.execution_count for cell in run)
        expected = len(code_cells(sources[name], edition))
        shown = [a for a in pages[name].all("div") if "cell_input" in a.get("class", "").split()]
        assert len(shown) == expected > 0, name


def test_the_pages_hold_outputs_not_only_code(public):
    assert "parameters: 101770" in public["applications/images"].text


def test_local_links_lead_somewhere(public):
    folder = html_folder("public")
    broken = []
    for name, page in public.items():
        for link in [*page.all("a"), *page.all("link")]:
            href = link.get("href", "")
            if not href or not is_local(href) or name in {"genindex", "search"}:
                continue
            path, _, anchor = unquote(href).partition("#")
            path = path.partition("?")[0]
            target = (page.path.parent / path).resolve() if path else page.path
            known = page if not path else None
            if path.endswith(".html") and target.exists():
                known = public.get(target.relative_to(folder).with_suffix("").as_posix())
            if not target.exists() or (anchor and known and anchor not in known.ids):
                broken.append(f"{name}: {href}")
    assert broken == []


def test_launch_buttons_open_the_right_notebook(public, executed):
    repository = settings()["repository"]["url"].removeprefix("https://github.com/")
    start = f"https://colab.research.google.com/github/{repository}/blob/{git_ref()}/"
    for name, page in public.items():
        links = {
            a["href"] for a in page.all("a") if "colab.research.google.com/" in a.get("href", "")
        }
        if name not in executed:
            assert links == set(), name
            continue
        (link,) = links
        assert link == f"{start}notebooks/{name}.ipynb"
        notebook = nbformat.read(ROOT / link.removeprefix(start), as_version=4)
        nbformat.validate(notebook)
        assert "google.colab" in notebook.cells[0].source


def test_links_into_the_repository_name_files_that_exist(public):
    start = settings()["repository"]["url"]
    pattern = re.compile(rf"{re.escape(start)}/(?:blob|edit|raw|tree)/{re.escape(git_ref())}/(.+)")
    found = 0
    for page in public.values():
        for link in page.all("a"):
            match = pattern.match(link.get("href", "").partition("?")[0])
            if match:
                found += 1
                assert (ROOT / match.group(1)).exists(), link["href"]
    assert found > 0


def test_the_download_is_the_learners_notebook(sources):
    assert out_of_step(list(sources.values()), html_folder("public") / "_sources") == []


def test_nothing_is_loaded_from_elsewhere(public):
    for name, page in public.items():
        loaded = [
            a["src"] for tag in ("script", "img", "iframe") for a in page.all(tag) if "src" in a
        ]
        loaded += [a["href"] for a in page.all("link") if a.get("rel") in ("stylesheet", "preload")]
        assert [address for address in loaded if not is_local(address)] == [], name


def test_every_picture_has_an_alt_text(public):
    for name, page in public.items():
        for image in page.all("img"):
            if "_static/" in image["src"]:  # the theme's own
                continue
            alt = image.get("alt", "")
            assert len(alt) > 15, f"{name}: {image}"
            assert not re.search(r"[0-9a-f]{16}", alt), f"{name}: {image}"


def test_pictures_are_opaque():
    for path in (html_folder("public") / "_images").glob("*.png"):
        pixels = plt.imread(path)
        assert pixels.shape[-1] == 3 or pixels[..., 3].min() == 1, path.name


def test_pages_say_their_language_and_title(public):
    for name, page in public.items():
        assert page.all("html")[0]["lang"] == "en", name
        article = page.path.read_text(encoding="utf-8").partition("<article")[2]
        assert article.count("<h1>") == 1 or name in {"genindex", "search"}, name


def test_no_error_and_no_raw_markup_reaches_a_reader(public):
    for name, page in public.items():
        assert "Traceback (most recent call last)" not in page.text, name
        assert not re.search(r"\{(cite|ref|eq|doc|term|numref)(:\w)?\}`", page.text), name
        assert "% solution" not in page.text
        assert "% status" not in page.text
        assert "<p>|" not in page.path.read_text(encoding="utf-8"), f"{name}: a raw table"
