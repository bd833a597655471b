"""Prepared wrong answers: for each exercise, answers and a part of the message each must get."""

import math

import numpy as np

NAMES = ("perceptron_128", "convnet_32")


def _interval_search(width_factor, step=0):
    from coursepkg.scratch.evaluation import wilson_interval

    def images_needed(accuracy, width):
        total = 100
        while True:
            low, high = wilson_interval(round(accuracy * total), total)
            if high - low <= width * width_factor:
                return total + step
            total += 100

    return images_needed


def _paired(a, b):
    return (a.astype(float) - b).std(ddof=1)


def _right_share(classes, smoothing):
    return 1 - smoothing + smoothing / classes


def _right_part(classes, smoothing):
    share = _right_share(classes, smoothing)
    return -share * math.log(share)


def _normalised(x, scale, shift, axes, epsilon=0.001):
    mean, variance = x.mean(axis=axes, keepdims=True), x.var(axis=axes, keepdims=True)
    return scale * (x - mean) / np.sqrt(variance + epsilon) + shift


WRONG = {
    "images.parameters": [
        (784 * 300 + 300 * 100 + 100 * 10, "weights alone"),
        (785 * 300 + 301 * 100, "one layer is missing"),
        (1000, "Write the sum"),
        ("many", "expected a number"),
    ],
    "images.output-shape": [
        (5, "expected a tuple"),
        ((5, 4), "rows and columns stay equal"),
        ((7, 7), "with padding"),
        ((10, 10), "one of the two poolings"),
        ((23, 23), "how many places"),
    ],
    "images.needed": [
        (6200, "expected a function"),
        (_interval_search(2), "still too wide"),
        (_interval_search(0.5), "100 fewer are enough"),
        (_interval_search(1, step=1), "multiple of 100"),
        (lambda accuracy: 100, "your function raised TypeError"),
    ],
    "images.double-softmax": [
        (1.46, "expected a function"),
        (lambda classes: math.log(classes), "equal scores"),
        (lambda classes: 0.0, "one softmax"),
        (lambda classes: math.log(1 + 9 / math.e), "ten classes only"),
        (lambda classes: 1.0, "not right for 2 classes"),
        (lambda classes: math.log2(1 + (classes - 1) / math.e), "in bits"),
    ],
    "images.worst-pair": [
        (lambda counts: 3, "two class numbers"),
        (lambda counts: np.unravel_index(counts.argmax(), counts.shape), "diagonal"),
        (lambda counts: (4, 0), "smaller class first"),
        (
            lambda counts: np.unravel_index(np.triu(counts, k=1).argmax(), counts.shape),
            "both directions",
        ),
    ],
    "images_compared.work": [
        (lambda r, c, ch, f, w: r * c * w * w * ch * f, "with padding"),
        (lambda r, c, ch, f, w: w * w * ch * f, "number of weights"),
        (lambda r, c, ch, f, w: (r - w) * (c - w) * w * w * ch * f, "Multiply: places"),
        (
            lambda r, c, ch, f, w: 6084 * 6 if ch == 1 else (r - w + 1) * (c - w + 1) * w * w * f,
            "all channels",
        ),
    ],
    "images_compared.power-law": [
        (
            lambda e, na, ea, nb, eb: na + (e - ea) * (nb - na) / (eb - ea),
            "straight line",
        ),
        (lambda e, na, ea, nb, eb: na * (ea / e) ** 0.5, "known power law"),
    ],
    "images_compared.paired": [
        (lambda a, b: math.sqrt((a.var() + b.var()) / len(a)), "unpaired"),
        (_paired, "spread of the single differences"),
        (lambda a, b: 0.1, "sum of the squares"),
    ],
    "images_compared.fashion": [
        ([1, 2, 3], "expected a dictionary"),
        ({name: [800, 810] for name in NAMES}, "three seeds"),
        ({name: [0.8, 0.81, 0.79] for name in NAMES}, "shares"),
        ({name: [100, 101, 99] for name in NAMES}, "fewer than half"),
        ({name: [800, 800, 800] for name in NAMES}, "same seed"),
    ],
    "images_recipe.one-cycle": [
        (lambda steps, share: steps / 2, "expected two numbers"),
        (lambda steps, share: (steps, 0), "the way up comes first"),
        (lambda steps, share: (steps / 4, 3 * steps / 4), "peak lies in the middle"),
        (lambda steps, share: (share * steps, steps), "the first step is not right"),
        (lambda steps, share: (share * steps / 2, steps), "the second step is not right"),
    ],
    "images_recipe.smooth": [
        (lambda classes, smoothing: 0.0, "probability of 1"),
        (_right_part, "right class's part"),
        (lambda classes, smoothing: -math.log(_right_share(classes, smoothing)), "hard label"),
        (lambda classes, smoothing: 1.0, "Which probabilities"),
    ],
    "images_recipe.batch-norm": [
        (lambda x, scale, shift: x.mean(axis=0), "input's shape"),
        (lambda x, scale, shift: _normalised(x, scale, shift, (0,)), "single pixels"),
        (lambda x, scale, shift: _normalised(x, scale, shift, (1, 2)), "single images"),
        (lambda x, scale, shift: _normalised(x, scale, shift, (0, 1, 2), 0), "under the root"),
        (lambda x, scale, shift: x, "not the formula's values"),
    ],
}
