"""How works are cited and listed."""

import pytest

from tools.bibliography import citation, read_bibliography, reference_list

WORKS = r"""
@article{rosenblatt1958, author = {Rosenblatt, Frank}, title = {The {P}erceptron \& More},
  journal = {Psychological Review}, volume = 65, number = 6, pages = {386--408},
  year = 1958, doi = {10.1037/h0042519(a)_b}}
@inproceedings{frohlich2001, author = {J{\"u}rgen de Fröhlich and L{\'e}vy, Jr., Paul},
  title = {Why?}, booktitle = {Proceedings * of Nets}, volume = 3, year = 2001,
  url = {https://x.org/a_(b)}}
@misc{team2020, author = {{Open AI} and Brown, Tom B. and Zo, Y}, title = {Few-Shot}, year = 2020}
"""
DOI = "https://doi.org/10.1037/h0042519%28a%29_b"


@pytest.mark.parametrize(
    ("key", "textual", "shown"),
    [
        ("rosenblatt1958", True, f"[Rosenblatt (1958)]({DOI})"),
        ("rosenblatt1958", False, f"[Rosenblatt, 1958]({DOI})"),
        ("frohlich2001", True, "[de Fröhlich and Lévy (2001)](https://x.org/a_%28b%29)"),
        ("team2020", False, "Open AI et al., 2020"),
    ],
)
def test_citation(key, textual, shown):
    assert citation(read_bibliography(WORKS)[key], textual) == shown


def test_reference_list_is_sorted_by_author():
    assert reference_list(read_bibliography(WORKS).values()).split("\n") == [
        "* Jürgen de Fröhlich and Paul Lévy Jr. (2001). Why? *Proceedings \\* of Nets*, 3. "
        "[x.org](https://x.org/a_%28b%29)",
        "* Open AI, Tom B. Brown and Y Zo (2020). Few-Shot.",
        "* Frank Rosenblatt (1958). The Perceptron & More. *Psychological Review*, 65(6), 386–408. "
        rf"[doi:10.1037/h0042519(a)\_b]({DOI})",
    ]
