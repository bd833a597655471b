r"""Four networks that made convolution the standard for images, and a small one of the last kind.

Each function builds one network from images to logits (no softmax). The networks come in variants
that differ by a few parameters, so each docstring says which one is built and where its published
count comes from. Two formulas give all numbers:

.. math:: \left(\frac{k^2 c_\text{in}}{g} + 1\right) c_\text{out} \quad\text{(convolution)}, \qquad
          (n_\text{in} + 1)\, n_\text{out} \quad\text{(dense)},

with a :math:`k \times k` window and :math:`g` groups, less the :math:`c_\text{out}` biases where
there are none. A batch normalisation of :math:`c` channels has :math:`2c` trainable parameters
(scale and shift) and :math:`2c` moving statistics (mean and variance), which gradients do not
change. Keras's ``count_params`` counts both.
"""

import contextlib
import math
from collections.abc import Iterator

import keras
from keras import layers, ops

RESNET_EPSILON = 1.001e-5  # of batch normalisation, as in keras.applications


@contextlib.contextmanager
def without_weights() -> Iterator[None]:
    """Let networks be built that have shapes and counts but no numbers in memory.

    VGG-16 alone would fill 550 megabytes. Keras keeps a list of variables without values, to fill
    them at the next occasion; so its session is cleared at the end. That also forgets the seed:
    call ``keras.utils.set_random_seed`` before you build what you train.
    """
    try:
        with keras.StatelessScope(initialize_variables=False):
            yield
    finally:
        keras.utils.clear_session(free_memory=False)


def count_parameters(network: keras.Model) -> tuple[int, int]:
    """Count the trainable numbers of a network, and the others (moving statistics)."""
    trainable = sum(math.prod(weight.shape) for weight in network.trainable_weights)
    return trainable, network.count_params() - trainable


def lenet5() -> keras.Sequential:
    """Build the modern LeNet-5 for 28 by 28 digits: 61,706 parameters.

    ========  ============  ===================================
    layer     output        parameters
    ========  ============  ===================================
    conv_1    (28, 28, 6)   (5*5*1 + 1) * 6 = 156
    pool_1    (14, 14, 6)   0
    conv_2    (10, 10, 16)  (5*5*6 + 1) * 16 = 2,416
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
    The network of 1998 had 60,000 parameters. It saw 32 by 32 images where this one pads; each
    channel of its second convolution saw only some channels of the first (1,516 parameters instead
    of 2,416); its poolings averaged and had a learned factor and bias for each channel (12 and 32
    parameters); its units were scaled tanh; and its last layer compared with ten fixed bitmaps.

    References
    ----------
    Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, "Gradient-based learning applied to document
    recognition", Proceedings of the IEEE 86, 1998, section II.B.
    """
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(6, 5, padding="same", activation="relu", name="conv_1"),
            layers.MaxPooling2D(2, name="pool_1"),
            layers.Conv2D(16, 5, activation="relu", name="conv_2"),
            layers.MaxPooling2D(2, name="pool_2"),
            layers.Flatten(name="flatten"),
            layers.Dense(120, activation="relu", name="hidden_1"),
            layers.Dense(84, activation="relu", name="hidden_2"),
            layers.Dense(10, name="logits"),
        ],
        name="lenet5",
    )


def alexnet(groups: int = 1) -> keras.Sequential:
    """Build AlexNet with the widths of the paper: 62,378,344 parameters, or 60,965,224 in 2 groups.

    ========  =============  ==========================================
    layer     output         parameters, ungrouped
    ========  =============  ==========================================
    conv_1    (55, 55, 96)   (11*11*3 + 1) * 96 = 34,944
    pool_1    (27, 27, 96)   0
    conv_2    (27, 27, 256)  (5*5*96 + 1) * 256 = 614,656
    pool_2    (13, 13, 256)  0
    conv_3    (13, 13, 384)  (3*3*256 + 1) * 384 = 885,120
    conv_4    (13, 13, 384)  (3*3*384 + 1) * 384 = 1,327,488
    conv_5    (13, 13, 256)  (3*3*384 + 1) * 256 = 884,992
    pool_5    (6, 6, 256)    0
    flatten   (9216,)        0
    hidden_6  (4096,)        (9216 + 1) * 4096 = 37,752,832
    drop_6    (4096,)        0
    hidden_7  (4096,)        (4096 + 1) * 4096 = 16,781,312
    drop_7    (4096,)        0
    logits    (1000,)        (4096 + 1) * 1000 = 4,097,000
    ========  =============  ==========================================

    Parameters
    ----------
    groups : int
        1, or 2 as in the paper, where each of two graphics cards held one half of conv_2, conv_4
        and conv_5.

    Returns
    -------
    keras.Sequential
        ``(batch, 227, 227, 3)`` to ``(batch, 1000)`` logits.

    Notes
    -----
    The paper's local response normalisation, which has no parameters, is left out. The paper says
    224 by 224; its 55 by 55 outputs need 227. The 61,100,840 parameters often quoted are those of
    a later variant for a single card, with 64 and 192 channels in the first two convolutions.

    References
    ----------
    A. Krizhevsky, I. Sutskever and G. Hinton, "ImageNet Classification with Deep Convolutional
    Neural Networks", NIPS 2012.
    """
    half = {"padding": "same", "activation": "relu", "groups": groups}
    whole = {"padding": "same", "activation": "relu"}
    return keras.Sequential(
        [
            keras.Input((227, 227, 3)),
            layers.Conv2D(96, 11, strides=4, activation="relu", name="conv_1"),
            layers.MaxPooling2D(3, strides=2, name="pool_1"),
            layers.Conv2D(256, 5, **half, name="conv_2"),
            layers.MaxPooling2D(3, strides=2, name="pool_2"),
            layers.Conv2D(384, 3, **whole, name="conv_3"),
            layers.Conv2D(384, 3, **half, name="conv_4"),
            layers.Conv2D(256, 3, **half, name="conv_5"),
            layers.MaxPooling2D(3, strides=2, name="pool_5"),
            layers.Flatten(name="flatten"),
            layers.Dense(4096, activation="relu", name="hidden_6"),
            layers.Dropout(0.5, name="drop_6"),
            layers.Dense(4096, activation="relu", name="hidden_7"),
            layers.Dropout(0.5, name="drop_7"),
            layers.Dense(1000, name="logits"),
        ],
        name="alexnet",
    )


def vgg16() -> keras.Sequential:
    """Build VGG-16, configuration D of its paper: 138,357,544 parameters.

    Thirteen convolutions with 3 by 3 windows in five stages of 2, 2, 3, 3 and 3, with 64, 128, 256,
    512 and 512 channels; a pooling halves the sides after each stage. Then dense layers with 4096,
    4096 and 1000 units, the first of which, (7*7*512 + 1) * 4096 = 102,764,544, holds three
    quarters of all parameters.

    Returns
    -------
    keras.Sequential
        ``(batch, 224, 224, 3)`` to ``(batch, 1000)`` logits.

    References
    ----------
    K. Simonyan and A. Zisserman, "Very Deep Convolutional Networks for Large-Scale Image
    Recognition", ICLR 2015, table 1.
    """
    stages = [(2, 64), (2, 128), (3, 256), (3, 512), (3, 512)]
    network = keras.Sequential([keras.Input((224, 224, 3))], name="vgg16")
    for stage, (convolutions, channels) in enumerate(stages, start=1):
        for index in range(1, convolutions + 1):
            name = f"conv_{stage}_{index}"
            network.add(layers.Conv2D(channels, 3, padding="same", activation="relu", name=name))
        network.add(layers.MaxPooling2D(2, name=f"pool_{stage}"))
    network.add(layers.Flatten(name="flatten"))
    for index in (1, 2):
        network.add(layers.Dense(4096, activation="relu", name=f"hidden_{index}"))
        network.add(layers.Dropout(0.5, name=f"drop_{index}"))
    network.add(layers.Dense(1000, name="logits"))
    return network


def resnet20(image_shape: tuple[int, int, int] = (32, 32, 3), residual: bool = True) -> keras.Model:
    """Build the residual network with 20 layers for small images: 269,722 trainable parameters.

    A convolution with 16 channels; three stages of three blocks with 16, 32 and 64 channels; the
    mean over the image; ten logits. The paper gives 0.27 million. The moving statistics are 1,376
    numbers more. For 28 by 28 images with one channel, the first convolution has 288 weights fewer.

    Parameters
    ----------
    image_shape : tuple of int
        Rows, columns, channels.
    residual : bool
        Whether the blocks have their shortcuts. They have no parameters, so the plain network that
        the paper compares with has the same count.

    Returns
    -------
    keras.Model
        ``(batch, *image_shape)`` to ``(batch, 10)`` logits.

    References
    ----------
    K. He, X. Zhang, S. Ren and J. Sun, "Deep Residual Learning for Image Recognition", CVPR 2016,
    section 4.2, with shortcuts of its option A.
    """
    inputs = keras.Input(image_shape)
    x = _normalised_convolution(inputs, 16, 3)
    x = layers.ReLU()(x)
    for channels in (16, 32, 64):
        for block in range(3):
            stride = 2 if channels > 16 and block == 0 else 1
            x = basic_block(x, channels, stride, residual)
    x = layers.GlobalAveragePooling2D()(x)
    name = "resnet20" if residual else "plain20"
    return keras.Model(inputs, layers.Dense(10, name="logits")(x), name=name)


def basic_block(
    x: keras.KerasTensor, channels: int, stride: int = 1, residual: bool = True
) -> keras.KerasTensor:
    """Apply two 3 by 3 convolutions and add what came in, without any parameter of its own.

    Where the block has a stride or more channels than came in, the shortcut takes every
    `stride`-th row and column and adds channels of zeros.
    """
    y = _normalised_convolution(x, channels, 3, stride)
    y = layers.ReLU()(y)
    y = _normalised_convolution(y, channels, 3)
    if residual:
        if stride > 1:
            x = layers.MaxPooling2D(1, strides=stride)(x)
        missing = channels - x.shape[-1]
        if missing:
            x = ops.pad(x, [[0, 0], [0, 0], [0, 0], [missing // 2, missing - missing // 2]])
        y = layers.Add()([x, y])
    return layers.ReLU()(y)


def resnet50(bias: bool = False) -> keras.Model:
    """Build ResNet-50: 25,557,032 trainable parameters, or 25,583,592 with biases.

    A 7 by 7 convolution and a pooling; four stages of 3, 4, 6 and 3 bottleneck blocks; the mean
    over the image; 1000 logits. The moving statistics are 53,120 numbers more: 25,610,152 without
    and 25,636,712 with biases.

    Parameters
    ----------
    bias : bool
        Whether the convolutions have biases, as in ``keras.applications.ResNet50``. The batch
        normalisation that follows each of them subtracts them again.

    Returns
    -------
    keras.Model
        ``(batch, 224, 224, 3)`` to ``(batch, 1000)`` logits.

    References
    ----------
    K. He, X. Zhang, S. Ren and J. Sun, "Deep Residual Learning for Image Recognition", CVPR 2016,
    table 1, with shortcuts of option B.
    """
    inputs = keras.Input((224, 224, 3))
    x = layers.ZeroPadding2D(3)(inputs)
    x = _normalised_convolution(x, 64, 7, 2, "valid", bias)
    x = layers.ReLU()(x)
    x = layers.ZeroPadding2D(1)(x)
    x = layers.MaxPooling2D(3, strides=2)(x)
    for blocks, channels in [(3, 64), (4, 128), (6, 256), (3, 512)]:
        for block in range(blocks):
            stride = 2 if channels > 64 and block == 0 else 1
            x = bottleneck_block(x, channels, stride, project=block == 0, bias=bias)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(1000, name="logits")(x), name="resnet50")


def bottleneck_block(
    x: keras.KerasTensor, channels: int, stride: int, project: bool, bias: bool
) -> keras.KerasTensor:
    """Narrow to `channels`, convolve 3 by 3, widen to four times as many, and add what came in.

    With `project`, a 1 by 1 convolution on the shortcut makes the shapes fit.
    """
    shortcut = x
    if project:
        shortcut = _normalised_convolution(x, 4 * channels, 1, stride, bias=bias)
    y = _normalised_convolution(x, channels, 1, stride, bias=bias)
    y = layers.ReLU()(y)
    y = _normalised_convolution(y, channels, 3, bias=bias)
    y = layers.ReLU()(y)
    y = _normalised_convolution(y, 4 * channels, 1, bias=bias)
    return layers.ReLU()(layers.Add()([shortcut, y]))


def _normalised_convolution(
    x: keras.KerasTensor,
    channels: int,
    window: int,
    stride: int = 1,
    padding: str = "same",
    bias: bool = False,
) -> keras.KerasTensor:
    x = layers.Conv2D(
        channels,
        window,
        strides=stride,
        padding=padding,
        use_bias=bias,
        kernel_initializer="he_normal",
    )(x)
    return layers.BatchNormalization(epsilon=RESNET_EPSILON)(x)
