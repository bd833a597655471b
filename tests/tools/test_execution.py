import shutil

import pytest

from tools.execution import Cache, ExecutionFailed, execute, execution_key
from tools.sources import ROOT, Source

HEADER = "---\njupytext: {}\nkernelspec: {display_name: P, language: python, name: python3}\n---\n"


def page(code, name="part/page", prose="# Title"):
    return Source(name, f"{HEADER}{prose}\n\n```{{code-cell}} ipython3\n{code}\n```\n")


@pytest.fixture
def root(tmp_path):
    """A small stand-in for the repository: a package and a lock."""
    root = tmp_path / "root"
    (root / "coursepkg").mkdir(parents=True)
    (root / "coursepkg" / "__init__.py").write_text("")
    (root / "coursepkg" / "module.py").write_text("VALUE = 1\n")
    (root / "requirements.txt").write_text("numpy==2\n")
    return root


def run(pages, tmp_path, root):
    return execute(pages, Cache(tmp_path / "cache"), tmp_path / "reports", workers=2, root=root)


def test_outputs_are_kept_and_not_made_twice(tmp_path, root, capsys):
    log = tmp_path / "log"
    code = f"open({str(log)!r}, 'a').write('ran ')\nprint(6 * 7)"
    first = run([page(code)], tmp_path, root)
    assert first["part/page"].cells[1].outputs[0].text == "42\n"
    assert "1/1" in capsys.readouterr().out
    run([page(code)], tmp_path, root)
    assert log.read_text() == "ran "
    assert first["part/page"].metadata["executed"]["seconds"] > 0


def test_a_raising_cell_fails_and_the_others_are_kept(tmp_path, root, capsys):
    good, bad = page("print(1)", "good"), page("raise RuntimeError('broken on purpose')", "bad")
    with pytest.raises(ExecutionFailed, match="1 of 2 notebooks failed: bad"):
        run([good, bad], tmp_path, root)
    assert "broken on purpose" in capsys.readouterr().out
    assert "raise RuntimeError" in (tmp_path / "reports" / "bad.txt").read_text()
    cache = Cache(tmp_path / "cache")
    assert cache.path(good, execution_key(good, root)).exists()
    assert not cache.path(bad, execution_key(bad, root)).exists()
    assert not list((tmp_path / "cache").rglob("*.partial"))


def test_the_key_ignores_prose(root):
    assert execution_key(page("1"), root) == execution_key(page("1", prose="# Other"), root)


def test_the_key_sees_the_code(root):
    assert execution_key(page("1"), root) != execution_key(page("2"), root)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("coursepkg/module.py", "VALUE = 2\n"),
        ("coursepkg/data.npz", "new"),
        ("requirements.txt", "numpy==3\n"),
    ],
    ids=["package", "data", "lock"],
)
def test_the_key_sees_the_package_and_the_lock(root, file, content):
    importing = page("from coursepkg.module import VALUE")
    before = execution_key(importing, root)
    (root / file).write_text(content)
    assert execution_key(importing, root) != before


@pytest.mark.parametrize(("variable", "value"), [("KERAS_BACKEND", "jax"), ("DEVICE", "gpu")])
def test_the_key_sees_backend_and_device(root, monkeypatch, variable, value):
    before = execution_key(page("1"), root)
    monkeypatch.setenv(variable, value)
    assert execution_key(page("1"), root) != before


@pytest.mark.parametrize(
    ("file", "seen"),
    [
        ("session.py", True),
        ("checks/images.py", True),
        ("figures/style.py", True),
        ("models/images.py", True),
        ("checks/images_recipe.py", False),
    ],
)
def test_an_edit_of_the_real_package_invalidates_the_pages_that_reach_it(tmp_path, file, seen):
    shutil.copytree(ROOT / "coursepkg", tmp_path / "coursepkg")
    shutil.copy(ROOT / "requirements.txt", tmp_path)
    one = page(
        "from coursepkg import check\nfrom coursepkg.models import images\ncheck('images.x', 1)"
    )
    before = execution_key(one, tmp_path)
    assert before == execution_key(one, ROOT)
    with (tmp_path / "coursepkg" / file).open("a") as source:
        source.write("\n")
    assert (execution_key(one, tmp_path) != before) == seen


def test_old_entries_are_dropped(tmp_path):
    cache = Cache(tmp_path)
    notebook = page("1").notebook()
    for number in range(8):
        cache.store(page("1"), f"key{number}", notebook)
    assert len(list(tmp_path.rglob("*.ipynb"))) == 5
    assert cache.path(page("1"), "key7").exists()
