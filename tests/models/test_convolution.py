"""LeNet-5, AlexNet, VGG-16 and residual networks: published counts, shapes, parity, learning."""

import functools
import inspect
import resource

import keras
import numpy as np
import pytest

from coursepkg.models import convolution
from coursepkg.models.convolution import (
    alexnet,
    count_parameters,
    lenet5,
    resnet20,
    resnet50,
    vgg16,
    without_weights,
)
from coursepkg.scratch.convolution import output_size, parameter_count

PUBLISHED = {
    "lenet5": (lenet5, 61_706, 0),
    "alexnet": (alexnet, 62_378_344, 0),
    "alexnet in two groups": (functools.partial(alexnet, groups=2), 60_965_224, 0),
    "vgg16": (vgg16, 138_357_544, 0),
    "resnet20": (resnet20, 269_722, 1_376),
    "plain20": (functools.partial(resnet20, residual=False), 269_722, 1_376),
    "resnet20 for digits": (functools.partial(resnet20, (28, 28, 1)), 269_434, 1_376),
    "resnet50": (resnet50, 25_557_032, 53_120),
    "resnet50 with biases": (functools.partial(resnet50, bias=True), 25_583_592, 53_120),
}


def _counts(build):
    with without_weights():
        return count_parameters(build())


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_parameter_counts(name):
    build, trainable, others = PUBLISHED[name]
    assert _counts(build) == (trainable, others)


def test_the_count_that_keras_publishes_for_resnet_50():
    _, trainable, others = PUBLISHED["resnet50 with biases"]
    assert trainable + others == 25_636_712
    assert _counts(lambda: keras.applications.ResNet50(weights=None)) == (trainable, others)


def test_counting_holds_no_weights_and_leaves_nothing_behind():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    _counts(vgg16)
    lenet5()  # building a network would fill variables that were left to be filled
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after - before < 200_000, "kilobytes; the weights alone are 553,430"


@pytest.mark.parametrize("build", [lenet5, resnet20])
def test_counting_without_weights_agrees_with_counting_them(build):
    network = build()
    sizes = [keras.ops.convert_to_numpy(weight).size for weight in network.trainable_weights]
    every = sum(weights.size for weights in network.get_weights())
    assert count_parameters(network) == _counts(build) == (sum(sizes), every - sum(sizes))


def test_after_an_error_networks_hold_weights_again():
    layers = [keras.Input((3,)), keras.layers.Dense(2), keras.layers.Reshape((5,))]
    with pytest.raises(ValueError, match="total size"), without_weights():
        keras.Sequential(layers)
    assert keras.ops.convert_to_numpy(lenet5().weights[0]).any()


@pytest.mark.parametrize("name", ["lenet5", "alexnet", "alexnet in two groups", "vgg16"])
def test_each_layer_follows_the_formulas(name):
    """The sizes and counts of the package's formulas are those of every layer that Keras builds."""
    build, _, _ = PUBLISHED[name]
    seen = 0
    with without_weights():
        network = build()
        for layer in network.layers:
            inputs, outputs = layer.input.shape[1:], layer.output.shape[1:]
            if isinstance(layer, keras.layers.Conv2D):
                count = parameter_count(
                    layer.kernel_size, inputs[-1], outputs[-1], groups=layer.groups
                )
                assert layer.count_params() == count
                side = output_size(inputs[0], layer.kernel_size[0], layer.strides[0], layer.padding)
                assert outputs[:2] == (side, side)
                seen += count
            elif isinstance(layer, keras.layers.MaxPooling2D):
                side = output_size(inputs[0], layer.pool_size[0], layer.strides[0])
                assert outputs[:2] == (side, side)
            elif isinstance(layer, keras.layers.Dense):
                seen += (inputs[0] + 1) * outputs[0]
    assert seen == PUBLISHED[name][1]


@pytest.mark.parametrize("build", [lenet5, alexnet])
def test_the_docstring_states_each_layer(build):
    lines = inspect.getdoc(build).splitlines()
    with without_weights():
        for layer in build().layers:
            row = next(line for line in lines if line.split()[:1] == [layer.name])
            assert str(tuple(layer.output.shape[1:])) in row
            assert row.endswith(f"{layer.count_params():,}")


@pytest.mark.parametrize("build", [lenet5, alexnet, vgg16, resnet20, resnet50])
def test_the_docstring_states_the_count(build):
    assert f"{PUBLISHED[build.__name__][1]:,} " in inspect.getdoc(build)


def test_the_60000_parameters_of_1998():
    """The count in the notes on LeNet-5, from the layers that the paper describes."""
    seen_channels = 6 * [3] + 9 * [4] + [6]  # of the 16 channels of the second convolution
    second = sum(parameter_count(5, channels, 1) for channels in seen_channels)
    assert second == 1_516
    layers = [parameter_count(5, 1, 6), 2 * 6, second, 2 * 16]
    layers += [parameter_count(5, 16, 120), (120 + 1) * 84]
    assert sum(layers) == 60_000


def test_the_one_tower_variant_of_alexnet():
    """The count in the notes on AlexNet: widths 64, 192, 384, 256, 256."""
    widths = [3, 64, 192, 384, 256, 256]
    windows = [11, 5, 3, 3, 3]
    convolutions = sum(map(parameter_count, windows, widths, widths[1:]))
    dense = (9216 + 1) * 4096 + (4096 + 1) * 4096 + (4096 + 1) * 1000
    assert convolutions + dense == 61_100_840


def test_vgg16_has_the_weights_of_keras_applications():
    def shapes(build):
        with without_weights():
            found = [tuple(weight.shape) for weight in build().weights]
            return found

    ours = shapes(vgg16)
    assert len(ours) == 2 * 16
    assert ours == shapes(lambda: keras.applications.VGG16(weights=None))


def test_resnet50_computes_what_keras_applications_does():
    keras.utils.set_random_seed(0)
    ours = resnet50(bias=True)
    theirs = keras.applications.ResNet50(weights=None, classifier_activation=None)
    ours.set_weights(theirs.get_weights())
    images = np.random.default_rng(0).normal(size=(1, 224, 224, 3)).astype("float32")
    expected = keras.ops.convert_to_numpy(theirs(images))
    actual = keras.ops.convert_to_numpy(ours(images))
    scale = np.abs(expected).max()
    np.testing.assert_allclose(actual / scale, expected / scale, atol=1e-5)


def test_a_basic_block_adds_what_came_in():
    """With all kernels 0, a block passes on the relu of its shortcut."""
    x = keras.Input((6, 6, 4))
    same = keras.Model(x, convolution.basic_block(x, 4))
    half = keras.Model(x, convolution.basic_block(x, 8, stride=2))
    plain = keras.Model(x, convolution.basic_block(x, 4, residual=False))
    images = np.random.default_rng(0).normal(size=(2, 6, 6, 4)).astype("float32")
    positive = np.maximum(images, 0)
    padded = np.pad(positive[:, ::2, ::2], [(0, 0), (0, 0), (0, 0), (2, 2)])
    for network, expected in [(same, positive), (half, padded), (plain, 0 * positive)]:
        network.set_weights([0 * weight for weight in network.get_weights()])
        actual = keras.ops.convert_to_numpy(network(images))
        np.testing.assert_allclose(actual, expected, atol=1e-6)


def test_resnet20_has_20_layers_with_weights_and_halves_the_sides_twice():
    network = resnet20()
    weighted = (keras.layers.Conv2D, keras.layers.Dense)
    assert sum(isinstance(layer, weighted) for layer in network.layers) == 20
    sides = [la.output.shape[1] for la in network.layers if isinstance(la, keras.layers.Conv2D)]
    assert sides == 7 * [32] + 6 * [16] + 6 * [8]


@pytest.mark.parametrize("build", [lenet5, functools.partial(resnet20, (28, 28, 1))])
def test_outputs_are_logits_and_one_step_moves_every_parameter(build):
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    images = rng.random((16, 28, 28, 1), dtype="float32")
    labels = rng.integers(0, 10, 16)
    network = build()
    logits = keras.ops.convert_to_numpy(network(images))
    assert logits.shape == (16, 10)
    assert logits.min() < 0, "a softmax would give no negative number"
    network.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    before = network.get_weights()
    network.train_on_batch(images, labels)
    for variable, old, new in zip(network.weights, before, network.get_weights(), strict=True):
        assert np.any(old != new), f"{variable.path} did not move"
