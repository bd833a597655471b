import pytest

from tools.reach import reached


@pytest.fixture
def root(tmp_path):
    files = {
        "__init__.py": "from coursepkg.session import start\n",
        "session.py": "def start():\n    from coursepkg.figures import style\n",
        "figures/__init__.py": "",
        "figures/style.py": "import numpy\n",
        "figures/other.py": "",
        "checks/__init__.py": "",
        "checks/images.py": "import coursepkg.scratch.losses\n",
        "checks/other.py": "",
        "scratch/__init__.py": "",
        "scratch/losses.py": "from coursepkg.scratch import activations\n",
        "scratch/activations.py": "",
    }
    for name, text in files.items():
        path = tmp_path / "coursepkg" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def names(cells, root):
    return {path.relative_to(root / "coursepkg").as_posix() for path in reached(cells, root)}


START = {"__init__.py", "session.py", "figures/__init__.py", "figures/style.py"}


def test_late_imports_and_parents_are_reached(root):
    assert names(["from coursepkg import start"], root) == START


def test_cells_are_followed_through_the_modules_they_import(root):
    cells = ["import coursepkg", "from coursepkg.scratch.losses import cross_entropy"]
    scratch = {"scratch/__init__.py", "scratch/losses.py", "scratch/activations.py"}
    assert names(cells, root) == START | scratch


def test_a_check_reaches_its_chapters_checkers(root):
    cells = ["check(\n    'images.size', 3)"]
    found = names(cells, root)
    assert "checks/images.py" in found
    assert "scratch/losses.py" in found
    assert "checks/other.py" not in found


def test_a_cell_that_is_no_plain_python_reaches_everything(root):
    assert names(["%matplotlib inline"], root) >= {"figures/other.py", "checks/other.py"}


def test_other_packages_are_not_followed(root):
    assert names(["import numpy", "from keras import layers"], root) == set()
