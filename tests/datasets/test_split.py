"""The modules mnist and fashion_mnist, through their public functions."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from coursepkg.datasets import fashion_mnist, mnist
from coursepkg.datasets._download import cache_folder, load_full

ROOT = Path(__file__).parents[2]
SIZES = [(mnist, 12_000, 2_000), (fashion_mnist, 5_000, 1_000)]
MODULES = [module for module, *_ in SIZES]


@pytest.mark.parametrize(("module", "n_train", "n_test"), SIZES)
def test_shapes_types_and_balance(module, n_train, n_test):
    parts = module.load_data()
    for (x, y), n in zip(parts, (n_train, n_test), strict=True):
        assert (x.shape, x.dtype) == ((n, 28, 28), np.uint8)
        assert (y.shape, y.dtype) == ((n,), np.uint8)
        assert np.bincount(y).tolist() == [n // 10] * 10
        assert (x.min(), x.max()) == (0, 255)


@pytest.mark.parametrize("module", MODULES)
def test_no_image_is_in_both_sets(module):
    (x_train, _), (x_test, _) = module.load_data()
    assert not {image.tobytes() for image in x_train} & {image.tobytes() for image in x_test}


@pytest.mark.parametrize("module", MODULES)
def test_the_classes_are_mixed_so_that_a_slice_is_a_sample(module):
    (_, y_train), (_, y_test) = module.load_data()
    for y in (y_train, y_test):
        assert np.bincount(y[:500], minlength=10).min() > 25


# A classifier this simple is known to reach about 0.82 and 0.68 with the full sets.
@pytest.mark.parametrize(("module", "accuracy"), [(mnist, 0.78), (fashion_mnist, 0.63)])
def test_the_labels_belong_to_the_images(module, accuracy):
    (x_train, y_train), (x_test, y_test) = module.load_data()
    means = np.stack([x_train[y_train == c].mean(axis=0).ravel() for c in range(10)])
    images = x_test.reshape(len(x_test), -1).astype(float)
    nearest = ((means**2).sum(axis=1) - 2 * images @ means.T).argmin(axis=1)
    assert (nearest == y_test).mean() > accuracy


@pytest.mark.parametrize(("module", "n_train", "n_test"), SIZES)
def test_bundled_rows_are_rows_of_the_full_sets(module, n_train, n_test):
    for rows, n, full in zip(
        module.bundled_rows(), (n_train, n_test), (60_000, 10_000), strict=True
    ):
        assert len(set(rows.tolist())) == n
        assert 0 <= rows.min() <= rows.max() < full


@pytest.mark.parametrize("module", MODULES)
def test_bundled_rows_of_the_full_set_are_the_bundled_data(module):
    name = module.FULL_SET.name
    if not (cache_folder() / name / f"{name}.npz").is_file():
        pytest.skip(f"the full {name} is not in the cache folder")
    full = load_full(replace(module.FULL_SET, mirrors=()))
    for (x, y), rows, kind in zip(
        module.load_data(), module.bundled_rows(), ("train", "test"), strict=True
    ):
        np.testing.assert_array_equal(full[f"x_{kind}"][rows], x)
        np.testing.assert_array_equal(full[f"y_{kind}"][rows], y)


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("full", ["mnist.npz", 1, None])
def test_full_must_be_true_or_false(module, full):
    with pytest.raises(ValueError, match=f"full: expected True or False, got {full!r}"):
        module.load_data(full)


@pytest.mark.parametrize("module", MODULES)
def test_the_mirrors_are_secure_addresses_of_folders(module):
    for mirror in module.FULL_SET.mirrors:
        assert mirror.base_url.startswith("https://")
        assert mirror.base_url.endswith("/")


def test_every_class_of_fashion_mnist_has_a_name():
    assert len(set(fashion_mnist.CLASS_NAMES)) == 10
    assert fashion_mnist.CLASS_NAMES[9] == "Ankle boot"


def test_nothing_but_numpy_is_imported():
    program = (
        "import sys, coursepkg.datasets\n"
        "print({'keras', 'matplotlib', 'tensorflow'} & sys.modules.keys())"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert run.stdout == "set()\n"
