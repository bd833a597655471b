"""The Transformer that learns in context: its size, its mask, and a short training."""

import itertools

import keras
import numpy as np
import pytest

from coursepkg.datasets import fashion_mnist
from coursepkg.models.in_context import in_context_transformer, learner
from coursepkg.scratch.in_context import describe, lesson, random_tasks


@pytest.mark.parametrize(
    ("features", "classes", "width", "blocks", "heads"),
    [(49, 10, 64, 2, 2), (49, 5, 64, 1, 1), (6, 3, 8, 3, 4)],
)
def test_parameters(features, classes, width, blocks, heads):
    model = in_context_transformer(features, classes, width, blocks, heads)
    f, c, d, b, h = features, classes, width, blocks, heads
    expected = (f + c + 1) * d + b * (4 * (h + 1) * d**2 + (3 * h + 8) * d) + 2 * d + (d + 1) * c
    assert model.count_params() == expected
    assert len(model.get_weights()) == 2 + 16 * b + 4


def test_keys_start_with_the_weights_of_queries():
    model = in_context_transformer(5, 2, width=8, blocks=1)
    query, _, key, *_ = model.get_layer("attention_0").get_weights()
    assert (query == key).all()
    assert not np.allclose(query, 0)


def test_a_token_sees_what_the_mask_shows_and_nothing_else():
    model = in_context_transformer(5, 2, width=8)
    rng = np.random.default_rng(0)
    tokens = rng.normal(size=(1, 6, 7)).astype(np.float32)
    mask = np.tril(np.ones((1, 6, 6), bool))
    before = np.array(model([tokens, mask]))
    tokens[0, 3] += 1
    changed = abs(np.array(model([tokens, mask])) - before).max(axis=2)[0] > 1e-6
    assert changed.tolist() == [False] * 3 + [True] * 3


def test_only_questions_count_and_the_rate_rises_and_falls():
    network = in_context_transformer(5, 2, width=8)
    model = learner(network, examples=4, steps=100, learning_rate=0.01)
    tokens, mask = np.zeros((3, 8, 7), np.float32), np.ones((3, 8, 8), bool)
    assert model([tokens, mask]).shape == (3, 4, 2)
    schedule = model.optimizer._learning_rate
    rates = [float(keras.ops.convert_to_numpy(schedule(step))) for step in (0, 5, 50, 100)]
    assert rates[0] == 0
    assert rates[1] == pytest.approx(0.01)
    assert 0.001 < rates[2] < 0.009
    assert rates[3] == pytest.approx(0, abs=1e-6)


def test_a_few_updates_lower_the_loss():
    (images, kinds), _ = fashion_mnist.load_data()
    described, rng = describe(images), np.random.default_rng(0)

    def lessons():
        while True:
            shown, named = random_tasks(described, kinds, 16, 10, rng, 2, 2)
            yield lesson(shown, named, 2), named

    keras.utils.set_random_seed(0)
    model = learner(in_context_transformer(49, 2, width=32, blocks=1), examples=10, steps=60)
    first, *_, last = (
        model.fit(lessons(), steps_per_epoch=20, shuffle=False, verbose=0).history["loss"][0]
        for _ in itertools.repeat(None, 3)
    )
    assert last < 0.9 * first
