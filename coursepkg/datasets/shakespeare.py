"""Plays of Shakespeare as plain text, for models that read and write one character at a time.

Eight plays to train on and a ninth to test on. Where the text is from, its authors and its
licence: ``data/shakespeare.LICENSE.txt``.
"""

from __future__ import annotations

from coursepkg.datasets._bundled import load_bundled

CHARACTERS = "\n !',-.:;?ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
"""The 62 characters that occur, in ascending order; the position of one can serve as its number."""


def load_data() -> tuple[str, str]:
    """Return the text of eight plays, and that of a ninth.

    Only speeches are kept: the speaker's name and a colon, the lines, an empty line. Headings and
    stage directions are left out.

    Returns
    -------
    train, test
        Texts of 1,015,434 and 92,183 characters, all of them among `CHARACTERS`.

    Raises
    ------
    DamagedDataError
        If the installed package's own file is damaged.
    """
    arrays = load_bundled("shakespeare")
    return arrays["train"].tobytes().decode(), arrays["test"].tobytes().decode()


def plays() -> tuple[list[str], list[str]]:
    """Return the names of the plays in the training text and in the test text, in order."""
    arrays = load_bundled("shakespeare")
    return [str(play) for play in arrays["train_plays"]], [str(p) for p in arrays["test_plays"]]
