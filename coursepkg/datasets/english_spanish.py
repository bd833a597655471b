"""Sentences in English and Spanish: verses of the Bible that both languages have.

The English is recent, the Spanish of 1909 and spelt as then (``á`` for ``a``, ``fué`` for ``fue``).
A model trained on these learns the language of this one book. Where the text is from, its authors
and its licence: ``data/english_spanish.LICENSE.txt``.
"""

from __future__ import annotations

from typing import TypeAlias

from coursepkg.datasets._bundled import load_bundled

Pairs: TypeAlias = tuple[list[str], list[str]]


def load_data() -> tuple[Pairs, Pairs]:
    """Return the sentences and their translations.

    Returns
    -------
    (english_train, spanish_train), (english_test, spanish_test)
        Lists of 16,620 and of 1,000 sentences of at most 25 words (separated by spaces; punctuation
        is attached to a word). Sentences with the same index belong together. No sentence occurs
        twice, in either language. The order is random.

    Raises
    ------
    DamagedDataError
        If the installed package's own file is damaged.
    """
    arrays = load_bundled("english_spanish")
    train, test = (
        tuple(
            arrays[f"{language}_{part}"].tobytes().decode().split("\n")
            for language in ("english", "spanish")
        )
        for part in ("train", "test")
    )
    return train, test
