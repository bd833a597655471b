import pytest

from tools.sources import Source, page_names, read_book

HEADER = "---\njupytext: {}\nkernelspec: {display_name: P, language: python, name: python3}\n---\n"
CELL = "```{code-cell} ipython3\n1 + 1\n```\n"


def test_a_page_with_header_is_a_notebook():
    page = Source("a", f"{HEADER}# A\n\n{CELL}")
    assert page.is_notebook
    assert [cell.cell_type for cell in page.notebook().cells] == ["markdown", "code"]


def test_a_page_without_cells_is_none():
    assert not Source("a", "# A\n").is_notebook


def test_cells_without_the_jupytext_header_are_refused():
    with pytest.raises(ValueError, match="jupytext and kernelspec"):
        _ = Source("a", f"# A\n\n{CELL}").is_notebook


def test_ids_change_only_with_their_own_cell():
    before = Source("a", f"{HEADER}# A\n\n{CELL}\nB\n\n{CELL}").notebook().cells
    after = Source("a", f"{HEADER}# A, said better\n\n{CELL}\nB\n\n{CELL}").notebook().cells
    assert before[0].id != after[0].id
    assert [cell.id for cell in before[1:]] == [cell.id for cell in after[1:]]
    assert len({cell.id for cell in before}) == 4


def test_pages_come_in_reading_order():
    toc = {"root": "index", "parts": [{"chapters": [{"file": "b/x"}, {"file": "a/y"}]}]}
    assert page_names(toc) == ["index", "b/x", "a/y"]


def test_book_and_table_of_contents_must_agree(tmp_path):
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "index.md").write_text("# Index\n")
    (tmp_path / "_toc.yml").write_text("root: index\n")
    assert [page.name for page in read_book(tmp_path)] == ["index"]
    (tmp_path / "book" / "forgotten.md").write_text("# Forgotten\n")
    with pytest.raises(ValueError, match=r"only in book/: \['forgotten'\]"):
        read_book(tmp_path)
