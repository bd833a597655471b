import nbformat
import pytest

from tools import notebooks
from tools.settings import settings
from tools.sources import Source

HEADER = "---\njupytext: {}\nkernelspec: {display_name: P, language: python, name: python3}\n---\n"
TEXT = (
    f"{HEADER}# A\n\n```{{code-cell}} ipython3\nfirst\n```\n"
    "% solution assigned a.hard\n```{code-cell} ipython3\nhidden\n```\n% end solution\n"
    "% solution practice a.easy\n```{code-cell} ipython3\nfolded\n```\n% end solution\n"
)
PAGE = Source("a", TEXT)
PICTURE = {"image/png": "iVBORw0KGgo=", "text/plain": "<Figure size 1x1>"}


def executed(counts=(1, 2, 3)):
    notebook = PAGE.notebook()
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell, count in zip(code, counts, strict=True):
        cell.execution_count = count
        cell.outputs = [nbformat.v4.new_output("display_data", data=dict(PICTURE))]
    notebook.metadata = {"kernelspec": {"name": "python3"}, "language_info": {"name": "python"}}
    return notebook


def code_of(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_outputs_go_to_their_cells_and_counts_hide_the_cut():
    cells = code_of(notebooks.with_outputs(PAGE, executed(), "public"))
    assert [(cell.source, cell.execution_count) for cell in cells] == [("first", 1), ("folded", 2)]
    assert len(code_of(notebooks.with_outputs(PAGE, executed(), "instructor"))) == 3


def test_a_cell_that_was_not_run_is_refused():
    with pytest.raises(ValueError, match="was not executed"):
        notebooks.with_outputs(PAGE, executed((1, 2, None)), "public")


def test_an_output_of_other_code_is_refused():
    other = executed()
    code_of(other)[0].source = "edited since"
    with pytest.raises(ValueError, match="was not executed"):
        notebooks.with_outputs(PAGE, other, "public")


def test_a_picture_needs_an_alt_text():
    notebook = notebooks.with_outputs(PAGE, executed(), "public")
    with pytest.raises(ValueError, match="no alt text"):
        notebooks.check_alt_texts("a", notebook)
    for cell in code_of(notebook):
        cell.metadata["mystnb"] = {"image": {"alt": "A line that rises."}}
    notebooks.check_alt_texts("a", notebook)
    code_of(notebook)[0].metadata["mystnb"]["image"]["alt"] = " "
    with pytest.raises(ValueError, match="no alt text"):
        notebooks.check_alt_texts("a", notebook)


def test_a_solution_keeps_the_alt_text_of_its_picture():
    options = "---\nmystnb:\n  image:\n    alt: A line that rises.\n---\n"
    page = Source("a", TEXT.replace("folded\n", f"{options}folded\n"))
    *_, folded = code_of(notebooks.edition_notebook(page, "public"))
    assert folded.metadata["mystnb"]["image"] == {"alt": "A line that rises."}
    assert "hide-cell" in folded.metadata["tags"]


def test_learners_get_plain_text_no_pictures_and_folded_solutions():
    notebook = notebooks.with_outputs(PAGE, executed(), "public")
    made = notebooks.for_learners(notebook, ["# Lowered"])
    install, title, first, folded = made.cells
    assert settings()["repository"]["url"] in install.source
    assert "google.colab" in install.source
    assert title.source == "# Lowered"
    assert first.outputs[0].data == {"text/plain": "<Figure size 1x1>"}
    assert folded.metadata["cellView"] == "form"
    assert folded.source.startswith("# @title ")
    nbformat.validate(made)
