"""Tasks, prompts and the forward pass of the Transformer that learns in context."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coursepkg.datasets import fashion_mnist, mnist
from coursepkg.models.in_context import in_context_transformer
from coursepkg.recorded import load_recorded
from coursepkg.scratch import in_context
from coursepkg.scratch.in_context import (
    FEATURES,
    answer,
    describe,
    forward,
    lesson,
    load_trained,
    mask_of,
    random_tasks,
    tokens_of,
)

(CLOTHES, KINDS), _ = fashion_mnist.load_data()
(DIGITS, LABELS), _ = mnist.load_data()
DESCRIBED = describe(CLOTHES)


@pytest.fixture(scope="module")
def weights():
    return in_context_transformer(FEATURES, 10, width=8, blocks=2, heads=2).get_weights()


def test_descriptions_are_standardised_and_ignore_contrast():
    assert DESCRIBED.mean(axis=1) == pytest.approx(0, abs=1e-5)
    assert DESCRIBED.std(axis=1) == pytest.approx(1, abs=1e-4)
    faint = describe(CLOTHES[:5] // 2 * 1.0 + 20)
    assert faint == pytest.approx(describe(CLOTHES[:5] // 2 * 2.0), abs=1e-4)


def test_a_square_is_the_mean_of_four_by_four_pixels():
    image = np.zeros((1, 28, 28))
    image[0, 4:8, 8:12] = 16
    (row,) = describe(image)
    assert row.argmax() == 7 + 2
    assert np.ptp(np.delete(row, 9)) == 0


def test_a_blank_image_has_a_description():
    assert (describe(np.full((1, 28, 28), 9)) == 0).all()


@pytest.mark.parametrize("shape", [(28, 28), (2, 27, 28), (2, 28, 28, 1)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match=r"expected images of shape \(N, 28, 28\)"):
        describe(np.zeros(shape))


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 10), st.integers(0, 3), st.integers(0, 99))
def test_a_task_shuffles_squares_signs_and_labels_in_one_way(most, less, seed):
    rng = np.random.default_rng(seed)
    images, labels = random_tasks(DESCRIBED, KINDS, 3, 9, rng, max(1, most - less), most)
    assert images.shape == (3, 9, FEATURES)
    assert labels.min() >= 0
    assert labels.max() < most
    sizes = {tuple(np.sort(abs(row)).round(5)) for row in DESCRIBED}
    assert all(tuple(np.sort(abs(row)).round(5)) in sizes for row in images.reshape(-1, FEATURES))


def test_a_task_keeps_distances_and_gives_each_class_one_label():
    described = np.vstack([DESCRIBED[:2], np.zeros((8, FEATURES), np.float32)])
    rng = np.random.default_rng(1)
    images, labels = random_tasks(described, np.arange(10), 1, 200, rng, 10, 10)
    distances = ((images[0, :, None] - images[0]) ** 2).sum(axis=2)
    expected = ((described[:, None] - described) ** 2).sum(axis=2)
    assert np.unique(distances.round(2)).tolist() == np.unique(expected.round(2)).tolist()
    assert ((distances < 1e-3) == (labels[0, :, None] == labels[0])).sum() > 0
    zero = (images[0] == 0).all(axis=1)
    assert not set(labels[0, zero]) & set(labels[0, ~zero])


@pytest.mark.parametrize("bounds", [(0, 3), (4, 3), (2, 11)])
def test_bounds_out_of_order_are_refused(bounds):
    with pytest.raises(ValueError, match="expected 1 <= fewest <= most <= 10"):
        random_tasks(DESCRIBED, KINDS, 1, 2, np.random.default_rng(0), *bounds)


def test_tokens_of_examples_and_questions():
    images = DESCRIBED[:4].reshape(2, 2, FEATURES)
    example = tokens_of(images, np.array([[0, 2], [1, 1]]), 3)
    assert (example[..., :FEATURES] == images).all()
    assert example[0, 1, FEATURES:].tolist() == [0, 0, 1]
    assert (tokens_of(images, None, 3)[..., FEATURES:] == 0).all()


def test_the_mask_of_three_examples_and_two_questions():
    assert mask_of(3, [1, 3]).astype(int).tolist() == [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 0, 0, 1, 0],
        [1, 1, 1, 0, 1],
    ]


def test_in_a_lesson_no_question_sees_its_own_label():
    tokens, mask = lesson(DESCRIBED[None, :6], np.arange(6)[None], 10)
    assert tokens.shape == (1, 12, FEATURES + 10)
    for question in range(6):
        assert mask[0, 6 + question, :6].tolist() == [place < question for place in range(6)]


@pytest.mark.parametrize("blocks", [1, 2])
def test_forward_is_what_keras_computes(blocks):
    model = in_context_transformer(FEATURES, 7, width=12, blocks=blocks, heads=3)
    rng = np.random.default_rng(blocks)
    weights = [rng.normal(0, 0.4, array.shape) for array in model.get_weights()]
    model.set_weights(weights)
    tokens, mask = lesson(DESCRIBED[None, :9], np.arange(9)[None] % 7, 7)
    expected = np.array(model([tokens, mask]))[0]
    assert forward(tokens[0], mask[0], weights) == pytest.approx(expected, abs=2e-4)


def test_answers_depend_on_the_prompt_and_not_on_other_questions(weights):
    prompt, named, questions = DESCRIBED[:12], KINDS[:12], DESCRIBED[20:40]
    together = answer(weights, prompt, named, questions)
    assert answer(weights, prompt, named, questions, at_once=3).tolist() == together.tolist()
    tokens = np.concatenate([tokens_of(prompt, named, 10), tokens_of(questions[:1], None, 10)])
    logits = forward(tokens, mask_of(12, [12]), weights)[-1]
    assert logits.argmax() == together[0]
    fewer = forward(tokens, mask_of(12, [11]), weights)[-1]
    assert abs(logits - fewer).max() > 1e-6


def test_the_trained_weights_read_digits_from_a_prompt():
    record = load_recorded("in_context")
    described = describe(DIGITS[:900])
    models = load_trained()
    assert len(models) == len(record["runs"]) == 3
    for weights, run in zip(models, record["runs"], strict=True):
        assert sum(array.size for array in weights) == run["parameters"]
        found = answer(weights, described[:100], LABELS[:100], described[100:])
        assert (found == LABELS[100:900]).mean() > 0.6
        shuffled = np.random.default_rng(0).permutation(LABELS[:100])
        lost = answer(weights, described[:100], shuffled, described[100:])
        assert (lost == LABELS[100:900]).mean() < 0.3


def test_damaged_weights_are_refused(monkeypatch, tmp_path):
    (tmp_path / "in_context.npz").write_bytes(b"something else")
    (tmp_path / "in_context.json").write_text('{"sha256": "00"}')
    monkeypatch.setattr(in_context, "files", lambda package: tmp_path)
    with pytest.raises(ValueError, match=r"expected in_context\.npz with sha256 00, got"):
        load_trained()
