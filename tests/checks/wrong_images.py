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


def _paired(only_a, only_b, total, ddof):
    d = np.repeat([1.0, -1.0, 0.0], [only_a, only_b, total - only_a - only_b])
    return d.std(ddof=ddof)


def _right_share(classes, smoothing):
    return 1 - smoothing + smoothing / classes


def _right_part(classes, smoothing):
    share = _right_share(classes, smoothing)
    return -share * math.log(share)


def _normalised(x, scale, shift, axes, epsilon=0.001):
    mean, variance = x.mean(axis=axes, keepdims=True), x.var(axis=axes, keepdims=True)
    return scale * (x - mean) / np.sqrt(variance + epsilon) + shift


def _epochs(target, log):
    return next((n for n, accuracy in enumerate(log, 1) if accuracy >= target), math.inf)


WRONG = {
    "images.parameters": [
        (784 * 300 + 300 * 100 + 100 * 10, "weights alone"),
        (785 * 300 + 301 * 100, "one layer is missing"),
        (1000, "Write the sum"),
        ("many", "expected a number"),
    ],
    "images.output-shape": [
        (5, "expected a tuple of 2 numbers"),
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
        (lambda counts: 3, "expected a tuple of 2 numbers, the classes"),
        (lambda counts: np.unravel_index(counts.argmax(), counts.shape), "diagonal"),
        (lambda counts: (4, 0), "smaller class first"),
        (lambda counts: (-1, 0), "numbered from 0"),
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
            lambda r, c, ch, f, w: (r - w + 1) * (c - w + 1) * w * w * f,
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
    "images_compared.spread": [
        (lambda values: 1.0, "expected a tuple of 2 numbers"),
        (lambda values: (max(values), 0.01), "not the mean"),
        (lambda values: (np.mean(values), np.std(values) / len(values) ** 0.5), "divides by m"),
        (lambda values: (np.mean(values), np.std(values, ddof=1)), "spread of the values"),
        (lambda values: (np.mean(values), np.var(values)), "square root"),
    ],
    "images_compared.paired": [
        (lambda a, b, n: _paired(a, b, n, 0) / n**0.5, "one less"),
        (lambda a, b, n: _paired(a, b, n, 1), "spread of the single differences"),
        (lambda a, b, n: math.sqrt(a + b) / n, "subtract its square"),
        (lambda a, b, n: 0.1, "sum of the squares"),
    ],
    "images_compared.fashion": [
        ([1, 2, 3], "expected a dictionary"),
        ({name: [800, 810] for name in NAMES}, "one for each seed"),
        ({name: [0.8, 0.81, 0.79] for name in NAMES}, "shares"),
        ({name: [100, 101, 99] for name in NAMES}, "fewer than half"),
        ({name: [800, 800, 800] for name in NAMES}, "same seed"),
    ],
    "images_recipe.one-cycle": [
        (lambda steps, share: steps / 2, "expected a tuple of 2 numbers"),
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
    "images_recipe.time-to": [
        (lambda target, seconds, log: 0.0 if target < 0.99 else math.inf, "not right for a target"),
        (lambda target, seconds, log: _epochs(target, log) * seconds - seconds, "epoch is missing"),
        (lambda target, seconds, log: _epochs(target, log), "number of epochs"),
        (lambda target, seconds, log: min(_epochs(target, log), 5) * seconds, "no epoch reaches"),
        (lambda target, seconds, log: "soon", "expected a number"),
    ],
    "images_recipe.stride": [
        (lambda n, c, f, k, s: (n - k + 1) ** 2 * k * k * c * f / s**2, "comes near"),
        (lambda n, c, f, k, s: ((n - k) // s + 1) * k * k * c * f, "two directions"),
        (lambda n, c, f, k, s: (n - k + 1) ** 2 * k * k * c * f, "moves by one pixel"),
        (lambda n, c, f, k, s: 1, "not right for side 25"),
    ],
}
