import os

from tools.staging import Staging


def test_unchanged_files_keep_their_time_stamp(tmp_path):
    Staging(tmp_path).write("a/b.txt", b"one")
    os.utime(tmp_path / "a" / "b.txt", (1, 1))
    staging = Staging(tmp_path)
    staging.write("a/b.txt", b"one")
    assert (tmp_path / "a" / "b.txt").stat().st_mtime == 1
    staging.write("a/b.txt", b"two")
    assert (tmp_path / "a" / "b.txt").read_bytes() == b"two"
    assert (tmp_path / "a" / "b.txt").stat().st_mtime > 1


def test_what_was_not_written_is_dropped(tmp_path):
    (tmp_path / "old.md").write_text("old")
    (tmp_path / "kept.html").write_text("kept")
    staging = Staging(tmp_path)
    staging.write("new.md", b"new")
    staging.drop_the_rest("*.md")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept.html", "new.md"]
