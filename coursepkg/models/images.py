r"""Five classifiers of handwritten digits, layer by layer.

Each function builds one network from images of shape :math:`(28, 28, 1)` to ten logits. Inputs are
``float32`` in :math:`[0, 1]`; outputs are logits (no softmax), so that the loss can be computed
stably with ``SparseCategoricalCrossentropy(from_logits=True)``.

Two rules give every number below. A convolution with a :math:`k \times k` kernel, no padding and
stride 1 turns a side of :math:`n` pixels into :math:`n - k + 1`, and a :math:`2 \times 2` pooling
turns it into :math:`\lfloor n / 2 \rfloor`. The parameters of a layer are the inputs of one output
unit, plus one bias, times the number of output units (of output channels, in a convolution):

.. math:: (k^2 c_\text{in} + 1)\, c_\text{out} \quad\text{(convolution)}, \qquad
          (n_\text{in} + 1)\, n_\text{out} \quad\text{(dense)}.

The five networks are those of the source documents of the course (sections named in each function).
"""

from collections.abc import Callable

import keras
from keras import layers

IMAGE_SHAPE = (28, 28, 1)
CLASSES = 10


def perceptron_128() -> keras.Sequential:
    """Build the perceptron with one hidden layer: 784-128-10, 101,770 parameters.

    ========  ===========  ===================================
    layer     output       parameters
    ========  ===========  ===================================
    flatten   (784,)       0
    hidden    (128,)       (784 + 1) * 128 = 100,480
    logits    (10,)        (128 + 1) * 10 = 1,290
    ========  ===========  ===================================

    Returns
    -------
    keras.Sequential
        ``(batch, 28, 28, 1)`` to ``(batch, 10)`` logits.

    Notes
    -----
    Source: document S000, section 5.2. The printed listing puts a softmax in the last layer and
    also tells the loss ``from_logits=True``; here the last layer gives logits, as that loss wants.
    """
    return keras.Sequential(
        [
            keras.Input(IMAGE_SHAPE),
            layers.Flatten(name="flatten"),
            layers.Dense(128, activation="relu", name="hidden"),
            layers.Dense(CLASSES, name="logits"),
        ],
        name="perceptron_128",
    )


def perceptron_128_64() -> keras.Sequential:
    """Build the perceptron with two hidden layers: 784-128-64-10, 109,386 parameters.

    ========  ===========  ===================================
    layer     output       parameters
    ========  ===========  ===================================
    flatten   (784,)       0
    hidden_1  (128,)       (784 + 1) * 128 = 100,480
    hidden_2  (64,)        (128 + 1) * 64 = 8,256
    logits    (10,)        (64 + 1) * 10 = 650
    ========  ===========  ===================================

    Returns
    -------
    keras.Sequential
        ``(batch, 28, 28, 1)`` to ``(batch, 10)`` logits.

    Notes
    -----
    Source: document S002, appendix B.1.
    """
    return keras.Sequential(
        [
            keras.Input(IMAGE_SHAPE),
            layers.Flatten(name="flatten"),
            layers.Dense(128, activation="relu", name="hidden_1"),
            layers.Dense(64, activation="relu", name="hidden_2"),
            layers.Dense(CLASSES, name="logits"),
        ],
        name="perceptron_128_64",
    )


def convnet_6_16() -> keras.Sequential:
    """Build the small convolutional network in the manner of LeNet-5: 60,074 parameters.

    ========  ============  ===================================
    layer     output        parameters
    ========  ============  ===================================
    conv_1    (26, 26, 6)   (3*3*1 + 1) * 6 = 60
    pool_1    (13, 13, 6)   0
    conv_2    (11, 11, 16)  (3*3*6 + 1) * 16 = 880
    pool_2    (5, 5, 16)    0
    flatten   (400,)        0
    hidden_1  (120,)        (400 + 1) * 120 = 48,120
    hidden_2  (84,)         (120 + 1) * 84 = 10,164
    logits    (10,)         (84 + 1) * 10 = 850
    ========  ============  ===================================

    Returns
    -------
    keras.Sequential
        ``(batch, 28, 28, 1)`` to ``(batch, 10)`` logits.

    Notes
    -----
    Source: document S002, appendix B.2, where it is written in PyTorch. PyTorch stores a batch of
    images as ``(batch, channel, row, column)`` and so flattens pool_2 with the channel as the
    slowest index; Keras stores ``(batch, row, column, channel)`` and flattens with the channel as
    the fastest. The two networks compute the same function, but to carry weights over, the 400
    columns of PyTorch's ``fc1.weight`` must be read as ``(16, 5, 5)`` and put into the order
    ``(5, 5, 16)``.
    """
    return keras.Sequential(
        [
            keras.Input(IMAGE_SHAPE),
            layers.Conv2D(6, 3, activation="relu", name="conv_1"),
            layers.MaxPooling2D(2, name="pool_1"),
            layers.Conv2D(16, 3, activation="relu", name="conv_2"),
            layers.MaxPooling2D(2, name="pool_2"),
            layers.Flatten(name="flatten"),
            layers.Dense(120, activation="relu", name="hidden_1"),
            layers.Dense(84, activation="relu", name="hidden_2"),
            layers.Dense(CLASSES, name="logits"),
        ],
        name="convnet_6_16",
    )


def convnet_32() -> keras.Sequential:
    """Build the network with one convolution: 693,962 parameters, nearly all in one dense layer.

    ========  ============  ===================================
    layer     output        parameters
    ========  ============  ===================================
    conv_1    (26, 26, 32)  (3*3*1 + 1) * 32 = 320
    pool_1    (13, 13, 32)  0
    flatten   (5408,)       0
    hidden    (128,)        (5408 + 1) * 128 = 692,352
    logits    (10,)         (128 + 1) * 10 = 1,290
    ========  ============  ===================================

    Returns
    -------
    keras.Sequential
        ``(batch, 28, 28, 1)`` to ``(batch, 10)`` logits.

    Notes
    -----
    Source: document S002, section 12.1.
    """
    return keras.Sequential(
        [
            keras.Input(IMAGE_SHAPE),
            layers.Conv2D(32, 3, activation="relu", name="conv_1"),
            layers.MaxPooling2D(2, name="pool_1"),
            layers.Flatten(name="flatten"),
            layers.Dense(128, activation="relu", name="hidden"),
            layers.Dense(CLASSES, name="logits"),
        ],
        name="convnet_32",
    )


def convnet_32_64_64() -> keras.Sequential:
    """Build the network with three convolutions: 93,322 parameters.

    ========  ============  ===================================
    layer     output        parameters
    ========  ============  ===================================
    conv_1    (26, 26, 32)  (3*3*1 + 1) * 32 = 320
    pool_1    (13, 13, 32)  0
    conv_2    (11, 11, 64)  (3*3*32 + 1) * 64 = 18,496
    pool_2    (5, 5, 64)    0
    conv_3    (3, 3, 64)    (3*3*64 + 1) * 64 = 36,928
    flatten   (576,)        0
    hidden    (64,)         (576 + 1) * 64 = 36,928
    logits    (10,)         (64 + 1) * 10 = 650
    ========  ============  ===================================

    Returns
    -------
    keras.Sequential
        ``(batch, 28, 28, 1)`` to ``(batch, 10)`` logits.

    Notes
    -----
    Source: document S003, section 5.2. conv_3 and hidden have the same number of parameters because
    both connect 576 inputs to 64 units; the convolution uses its weights at nine positions.
    """
    return keras.Sequential(
        [
            keras.Input(IMAGE_SHAPE),
            layers.Conv2D(32, 3, activation="relu", name="conv_1"),
            layers.MaxPooling2D(2, name="pool_1"),
            layers.Conv2D(64, 3, activation="relu", name="conv_2"),
            layers.MaxPooling2D(2, name="pool_2"),
            layers.Conv2D(64, 3, activation="relu", name="conv_3"),
            layers.Flatten(name="flatten"),
            layers.Dense(64, activation="relu", name="hidden"),
            layers.Dense(CLASSES, name="logits"),
        ],
        name="convnet_32_64_64",
    )


MODELS: dict[str, Callable[[], keras.Sequential]] = {
    builder.__name__: builder
    for builder in (perceptron_128, perceptron_128_64, convnet_6_16, convnet_32, convnet_32_64_64)
}
