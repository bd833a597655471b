r"""Recurrent layers, forward and backward through time.

A recurrent layer reads a sequence of T steps, one row :math:`\mathbf{x}_t` at a time, and carries a
state from step to step. The same weights serve at every step. A batch of N sequences is an array
(N, T, inputs). With :math:`\mathbf{W}` the kernel, :math:`\mathbf{U}` the recurrent kernel and
:math:`\mathbf{b}` the bias, every layer here makes its next state of

.. math:: \mathbf{A}_t = \mathbf{X}_t \mathbf{W} + \mathbf{b}

and of the state before, by way of :math:`\mathbf{U}`. *Backpropagation through time* is the chain
rule over the steps from the last to the first:
:math:`\boldsymbol\delta_t = \partial J / \partial \mathbf{A}_t` follows from the gradient by the
state after step t, and gives that by the state before it. Because the weights are shared, their
gradients are sums over the steps, and each sum is one matrix product over all steps at once:

.. math::

    \frac{\partial J}{\partial \mathbf{W}} = \sum_{t=1}^{T} \mathbf{X}_t^T \boldsymbol\delta_t,
    \qquad
    \frac{\partial J}{\partial \mathbf{X}_t} = \boldsymbol\delta_t \mathbf{W}^T .

Weights are laid out as in Keras: ``kernel`` (inputs, gates * units), ``recurrent_kernel`` (units,
gates * units), ``bias``; the blocks of ``units`` columns belong to the gates in Keras's order.

References
----------
P. J. Werbos, "Backpropagation Through Time: What It Does and How to Do It", Proceedings of the
IEEE, 1990.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from coursepkg.scratch.activations import sigmoid
from coursepkg.scratch.initialisation import glorot_uniform, orthogonal
from coursepkg.scratch.layers import Layer


class Recurrent(Layer):
    r"""What all recurrent layers share: the weights, and the loops over the steps.

    A subclass says what happens within one step, forward and backward. The state consists of one
    array (N, units), the output :math:`\mathbf{H}_t`, or of two, for an LSTM.

    With a mask, an example's state is copied where the mask is False:
    :math:`\mathbf{s}_t = m_t \mathbf{s}'_t + (1 - m_t) \mathbf{s}_{t-1}`, with
    :math:`\mathbf{s}'_t` what the step makes of :math:`\mathbf{s}_{t-1}`. So the gradient by
    :math:`\mathbf{s}_t` goes into the step with the factor :math:`m_t`, and past it with the
    factor :math:`1 - m_t`.

    Parameters
    ----------
    inputs, units : int
        The widths of the input and of the state.
    rng : numpy.random.Generator
        The source of the first weights, drawn as Keras draws them: a Glorot uniform kernel, an
        orthogonal recurrent kernel; the bias starts at 0.
    return_sequences : bool
        Whether `forward` returns the outputs of all steps, or that of the last one.
    dtype : numpy dtype
        Of the weights.

    Attributes
    ----------
    kernel : ndarray, shape (inputs, gates * units)
    recurrent_kernel : ndarray, shape (units, gates * units)
    bias : ndarray, shape (gates * units,)
    states : ndarray, shape (parts, T + 1, N, units)
        The states of the last forward pass, the initial one first; ``states[0]`` are the outputs.
    state_gradients : ndarray, shape of `states`
        The gradients by these states from the last backward pass. Those by the initial state are
        ``state_gradients[:, 0]``.

    Raises
    ------
    ValueError
        If a width is less than 1; in `forward` and `backward`, if a shape does not fit.
    """

    gates = 1
    parts = 1

    def __init__(
        self,
        inputs: int,
        units: int,
        rng: np.random.Generator,
        return_sequences: bool = False,
        dtype: type = np.float64,
    ) -> None:
        super().__init__()
        for name, size in (("inputs", inputs), ("units", units)):
            if size < 1:
                raise ValueError(f"{name} must be at least 1, got {size}")
        self.units, self.return_sequences = units, return_sequences
        self.kernel = glorot_uniform((inputs, self.gates * units), rng).astype(dtype)
        self.recurrent_kernel = orthogonal((units, self.gates * units), rng).astype(dtype)
        self.bias = np.zeros(self.gates * units, dtype)

    @property
    def parameters(self) -> list[np.ndarray]:
        """Kernel, recurrent kernel and bias."""
        return [self.kernel, self.recurrent_kernel, self.bias]

    @property
    def input_bias(self) -> np.ndarray:
        """What is added to the product of input and kernel, shape (gates * units,)."""
        return self.bias

    @property
    def final_state(self) -> np.ndarray:
        """The state after the last step of the last forward pass, shape (parts, N, units)."""
        return self.states[:, -1]

    def step(self, projected: np.ndarray, state: np.ndarray) -> tuple[tuple[np.ndarray, ...], Any]:
        r"""Do one step.

        Parameters
        ----------
        projected : ndarray, shape (N, gates * units)
            :math:`\mathbf{X}_t \mathbf{W} + \mathbf{b}`.
        state : ndarray, shape (parts, N, units)
            The state before the step.

        Returns
        -------
        tuple of ndarray (N, units), and any
            The state after the step, and what `step_backward` needs.
        """
        raise NotImplementedError

    def step_backward(
        self, upstream: np.ndarray, state: np.ndarray, memory: Any
    ) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
        r"""Go back through one step.

        Parameters
        ----------
        upstream : ndarray, shape (parts, N, units)
            The gradient by the state after the step.
        state : ndarray, shape (parts, N, units)
            The state before the step.
        memory : any
            What `step` returned beside the state.

        Returns
        -------
        ndarray (N, gates * units), and tuple of ndarray (N, units)
            The gradients :math:`\boldsymbol\delta_t` and by the state before the step.
        """
        raise NotImplementedError

    def recurrent_gradients(self, delta: np.ndarray, memory: list[Any]) -> list[np.ndarray]:
        r"""Sum the gradients of recurrent kernel and bias over all steps.

        .. math:: \frac{\partial J}{\partial \mathbf{U}}
            = \sum_t \mathbf{H}_{t-1}^T \boldsymbol\delta_t

        Parameters
        ----------
        delta : ndarray, shape (T * N, gates * units)
            The :math:`\boldsymbol\delta_t` of all steps.
        memory : list, length T
            What `step` returned beside the states.
        """
        before = self.states[0, :-1].reshape(-1, self.units)
        return [before.T @ delta, delta.sum(axis=0)]

    def forward(
        self,
        x: np.ndarray,
        training: bool = False,
        mask: np.ndarray | None = None,
        initial_state: Sequence[np.ndarray] | np.ndarray | None = None,
    ) -> np.ndarray:
        """Read sequences from the first step to the last.

        Parameters
        ----------
        x : ndarray, shape (N, T, inputs)
        training : bool
            Makes no difference.
        mask : ndarray of bool, shape (N, T)
            False where a step is padding: the state is copied. None: there is no padding.
        initial_state : sequence of ndarray (N, units), as many as the state has parts
            The state before the first step, 0 if None.

        Returns
        -------
        ndarray, shape (N, T, units) if `return_sequences`, else (N, units)
            The outputs. Where nothing but padding has come yet, the output is that of the initial
            state. (So it is in Keras on JAX; on TensorFlow it is 0 there. If the initial state is
            0, this is no difference.)
        """
        self._expect(x, mask, initial_state)
        batch, steps, _ = x.shape
        rows = x.swapaxes(0, 1).reshape(steps * batch, -1)
        projected = (rows @ self.kernel + self.input_bias).reshape(steps, batch, -1)
        states = np.zeros((self.parts, steps + 1, batch, self.units), projected.dtype)
        if initial_state is not None:
            states[:, 0] = initial_state
        memory = []
        for t in range(steps):
            after, values = self.step(projected[t], states[:, t])
            memory.append(values)
            for part, new in enumerate(after):
                if mask is not None:
                    new = np.where(mask[:, t, None], new, states[part, t])
                states[part, t + 1] = new
        self.states = states
        output = states[0, 1:].swapaxes(0, 1) if self.return_sequences else states[0, -1]
        return self._remember(output.copy(), (rows, mask, memory))

    def backward(
        self, upstream: np.ndarray, final_upstream: Sequence[np.ndarray] | np.ndarray | None = None
    ) -> np.ndarray:
        """Go back from the last step to the first.

        Parameters
        ----------
        upstream : ndarray, shape of what `forward` returned
            The gradient by the output.
        final_upstream : sequence of ndarray (N, units), as many as the state has parts
            The gradient by `final_state`, if that was used apart from the output.

        Returns
        -------
        ndarray, shape (N, T, inputs)
            The gradient by the input. The other gradients are in `gradients` and
            `state_gradients`.
        """
        rows, mask, memory = self._recall(upstream)
        by_state = np.zeros_like(self.states)
        if self.return_sequences:
            by_state[0, 1:] = upstream.swapaxes(0, 1)
        else:
            by_state[0, -1] = upstream
        if final_upstream is not None:
            self._expect_state("a final upstream", final_upstream, len(upstream))
            by_state[:, -1] += final_upstream
        _, steps, batch, _ = by_state[:, 1:].shape
        delta = np.empty((steps, batch, self.gates * self.units), by_state.dtype)
        for t in reversed(range(steps)):
            into = past = by_state[:, t + 1]
            if mask is not None:
                into = into * mask[:, t, None]
                by_state[:, t] += past - into
            delta[t], before = self.step_backward(into, self.states[:, t], memory[t])
            for part, gradient in enumerate(before):
                by_state[part, t] += gradient
        delta = delta.reshape(steps * batch, -1)
        self.state_gradients = by_state
        self.gradients = [rows.T @ delta, *self.recurrent_gradients(delta, memory)]
        return (delta @ self.kernel.T).reshape(steps, batch, -1).swapaxes(0, 1)

    def _expect(
        self,
        x: np.ndarray,
        mask: np.ndarray | None,
        initial_state: Sequence[np.ndarray] | np.ndarray | None,
    ) -> None:
        inputs = len(self.kernel)
        if x.ndim != 3 or x.shape[1] < 1 or x.shape[2] != inputs:
            raise ValueError(f"expected sequences of shape (N, T, {inputs}), got {x.shape}")
        _expect_mask(mask, x)
        if initial_state is not None:
            self._expect_state("an initial state", initial_state, len(x))

    def _expect_state(
        self, name: str, state: Sequence[np.ndarray] | np.ndarray, batch: int
    ) -> None:
        shapes, shape = [np.shape(part) for part in state], (batch, self.units)
        if shapes != [shape] * self.parts:
            raise ValueError(
                f"{type(self).__name__}: expected {name} of {self.parts} x {shape}, got {shapes}"
            )


def _expect_mask(mask: np.ndarray | None, x: np.ndarray) -> None:
    if mask is not None and (mask.dtype != bool or mask.shape != x.shape[:2]):
        raise ValueError(
            f"expected a mask of bool of shape {x.shape[:2]}, got {mask.dtype} of {mask.shape}"
        )


class SimpleRNN(Recurrent):
    r"""A recurrent layer whose state is its last output.

    .. math:: \mathbf{H}_t = \tanh \mathbf{Z}_t, \qquad
        \mathbf{Z}_t = \mathbf{X}_t \mathbf{W} + \mathbf{H}_{t-1} \mathbf{U} + \mathbf{b}

    Since :math:`\tanh' = 1 - \tanh^2`,

    .. math::

        \boldsymbol\delta_t
        = \frac{\partial J}{\partial \mathbf{H}_t} \odot (1 - \mathbf{H}_t \odot \mathbf{H}_t),
        \qquad
        \frac{\partial J}{\partial \mathbf{H}_{t-1}} = \boldsymbol\delta_t \mathbf{U}^T
        + (\text{what comes from the output of step } t - 1).

    Over k steps a gradient is therefore multiplied by :math:`\mathbf{U}^T`, and by slopes of tanh
    between 0 and 1, k times.

    References
    ----------
    J. L. Elman, "Finding Structure in Time", Cognitive Science 14, 1990.
    """

    def step(self, projected: np.ndarray, state: np.ndarray) -> tuple[tuple[np.ndarray, ...], Any]:
        """Add the recurrent part and squash: shapes as in `Recurrent`, with one gate."""
        h = np.tanh(projected + state[0] @ self.recurrent_kernel)
        return (h,), h

    def step_backward(
        self, upstream: np.ndarray, state: np.ndarray, memory: Any
    ) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
        """Multiply by the derivative of tanh, then by the transposed recurrent kernel."""
        h = memory
        delta = upstream[0] * (1 - h * h)
        return delta, (delta @ self.recurrent_kernel.T,)


class LSTM(Recurrent):
    r"""Long short-term memory: a cell that is added to, and three gates that control it.

    :math:`\mathbf{Z}_t = \mathbf{X}_t \mathbf{W} + \mathbf{H}_{t-1} \mathbf{U} + \mathbf{b}`
    has four blocks of ``units`` columns. They make the input gate, the forget gate, the candidate
    and the output gate (in Keras ``i f c o``):

    .. math::

        \mathbf{i} &= \sigma(\mathbf{Z}^i), \quad \mathbf{f} = \sigma(\mathbf{Z}^f), \quad
        \mathbf{g} = \tanh \mathbf{Z}^c, \quad \mathbf{o} = \sigma(\mathbf{Z}^o), \\
        \mathbf{C}_t &= \mathbf{f} \odot \mathbf{C}_{t-1} + \mathbf{i} \odot \mathbf{g}, \qquad
        \mathbf{H}_t = \mathbf{o} \odot \tanh \mathbf{C}_t .

    The state has two parts, :math:`\mathbf{H}_t` and :math:`\mathbf{C}_t`. The gradient by
    :math:`\mathbf{C}_t` comes from the next step and through :math:`\mathbf{H}_t`; call their sum

    .. math:: \mathbf{e} = \frac{\partial J}{\partial \mathbf{C}_t}
        + \frac{\partial J}{\partial \mathbf{H}_t} \odot \mathbf{o} \odot (1 - \tanh^2 \mathbf{C}_t)

    (``state_gradients[1]`` holds the first term: there, H and C are changed independently). With
    :math:`\sigma' = \sigma (1 - \sigma)`, the blocks of :math:`\boldsymbol\delta_t` are

    .. math::

        \boldsymbol\delta^i &= \mathbf{e} \odot \mathbf{g} \odot \mathbf{i} \odot (1 - \mathbf{i}),
        &
        \boldsymbol\delta^f
        &= \mathbf{e} \odot \mathbf{C}_{t-1} \odot \mathbf{f} \odot (1 - \mathbf{f}), \\
        \boldsymbol\delta^c &= \mathbf{e} \odot \mathbf{i} \odot (1 - \mathbf{g} \odot \mathbf{g}),
        &
        \boldsymbol\delta^o &= \frac{\partial J}{\partial \mathbf{H}_t} \odot \tanh \mathbf{C}_t
        \odot \mathbf{o} \odot (1 - \mathbf{o}),

    and the step before receives :math:`\boldsymbol\delta_t \mathbf{U}^T` for
    :math:`\mathbf{H}_{t-1}` and :math:`\mathbf{e} \odot \mathbf{f}` for
    :math:`\mathbf{C}_{t-1}`: along the cell there is no matrix and no squashing, only the forget
    gate. Its bias starts at 1, so that a cell at first keeps most of what it holds.

    References
    ----------
    S. Hochreiter and J. Schmidhuber, "Long Short-Term Memory", Neural Computation 9, 1997.
    F. A. Gers, J. Schmidhuber and F. Cummins, "Learning to Forget: Continual Prediction with
    LSTM", Neural Computation 12, 2000 (the forget gate).
    """

    gates = 4
    parts = 2

    def __init__(
        self,
        inputs: int,
        units: int,
        rng: np.random.Generator,
        return_sequences: bool = False,
        dtype: type = np.float64,
    ) -> None:
        super().__init__(inputs, units, rng, return_sequences, dtype)
        self.bias[units : 2 * units] = 1

    def step(self, projected: np.ndarray, state: np.ndarray) -> tuple[tuple[np.ndarray, ...], Any]:
        """Compute the four gates in one product, then the cell, then the output."""
        h, c = state
        z = projected + h @ self.recurrent_kernel
        candidate = slice(2 * self.units, 3 * self.units)
        gates = sigmoid(z)
        gates[:, candidate] = np.tanh(z[:, candidate])
        i, f, g, o = np.split(gates, 4, axis=1)
        c = f * c + i * g
        squashed = np.tanh(c)
        return (o * squashed, c), (gates, squashed)

    def step_backward(
        self, upstream: np.ndarray, state: np.ndarray, memory: Any
    ) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
        """Apply the formulas above."""
        (by_h, by_c), (_, c), (gates, squashed) = upstream, state, memory
        i, f, g, o = np.split(gates, 4, axis=1)
        e = by_c + by_h * o * (1 - squashed * squashed)
        delta = np.empty_like(gates)
        delta_i, delta_f, delta_c, delta_o = np.split(delta, 4, axis=1)
        delta_i[:] = e * g * i * (1 - i)
        delta_f[:] = e * c * f * (1 - f)
        delta_c[:] = e * i * (1 - g * g)
        delta_o[:] = by_h * squashed * o * (1 - o)
        return delta, (delta @ self.recurrent_kernel.T, e * f)


class GRU(Recurrent):
    r"""Gated recurrent unit: one gate mixes old state and candidate, another resets the old state.

    With the blocks ``z r h`` of the kernels, written as upper indices, and
    :math:`\mathbf{A}_t` as at the top of this module,

    .. math::

        \mathbf{z} = \sigma(\mathbf{A}^z_t + \mathbf{H}_{t-1} \mathbf{U}^z), \quad
        \mathbf{r} = \sigma(\mathbf{A}^r_t + \mathbf{H}_{t-1} \mathbf{U}^r), \quad
        \mathbf{H}_t = \mathbf{z} \odot \mathbf{H}_{t-1} + (1 - \mathbf{z}) \odot \mathbf{g},

    and the candidate is one of two, with the reset before or after the product:

    .. math::

        \text{before: } \mathbf{g}
        = \tanh(\mathbf{A}^h_t + (\mathbf{r} \odot \mathbf{H}_{t-1}) \mathbf{U}^h), \qquad
        \text{after: } \mathbf{g} = \tanh(\mathbf{A}^h_t + \mathbf{r} \odot \mathbf{Q}), \quad
        \mathbf{Q} = \mathbf{H}_{t-1} \mathbf{U}^h + \mathbf{b}'^h .

    The paper has the first; with the second, Keras's default, one product serves all three blocks.
    It has a second bias :math:`\mathbf{b}'`, added to :math:`\mathbf{H}_{t-1} \mathbf{U}` in all
    blocks; ``bias`` is then (2, 3 * units). In both,

    .. math::

        \boldsymbol\delta^z = \frac{\partial J}{\partial \mathbf{H}_t}
        \odot (\mathbf{H}_{t-1} - \mathbf{g}) \odot \mathbf{z} \odot (1 - \mathbf{z}), \qquad
        \boldsymbol\delta^h = \frac{\partial J}{\partial \mathbf{H}_t}
        \odot (1 - \mathbf{z}) \odot (1 - \mathbf{g} \odot \mathbf{g}).

    *Before*: with :math:`\mathbf{e} = \boldsymbol\delta^h (\mathbf{U}^h)^T`, the gradient by
    :math:`\mathbf{r} \odot \mathbf{H}_{t-1}`,

    .. math::

        \boldsymbol\delta^r
        = \mathbf{e} \odot \mathbf{H}_{t-1} \odot \mathbf{r} \odot (1 - \mathbf{r}), \qquad
        \frac{\partial J}{\partial \mathbf{H}_{t-1}}
        = \frac{\partial J}{\partial \mathbf{H}_t} \odot \mathbf{z} + \mathbf{e} \odot \mathbf{r}
        + \boldsymbol\delta^z (\mathbf{U}^z)^T + \boldsymbol\delta^r (\mathbf{U}^r)^T .

    *After*: with
    :math:`\boldsymbol\rho = [\boldsymbol\delta^z, \boldsymbol\delta^r,
    \boldsymbol\delta^h \odot \mathbf{r}]`, the gradient by
    :math:`\mathbf{H}_{t-1} \mathbf{U} + \mathbf{b}'`,

    .. math::

        \boldsymbol\delta^r
        = \boldsymbol\delta^h \odot \mathbf{Q} \odot \mathbf{r} \odot (1 - \mathbf{r}), \qquad
        \frac{\partial J}{\partial \mathbf{H}_{t-1}}
        = \frac{\partial J}{\partial \mathbf{H}_t} \odot \mathbf{z}
        + \boldsymbol\rho \, \mathbf{U}^T .

    Parameters
    ----------
    inputs, units, rng, return_sequences, dtype
        As in `Recurrent`.
    reset_after : bool
        Which of the two candidates.

    References
    ----------
    K. Cho, B. van Merriënboer, C. Gulcehre, D. Bahdanau, F. Bougares, H. Schwenk and Y. Bengio,
    "Learning Phrase Representations using RNN Encoder–Decoder for Statistical Machine
    Translation", EMNLP 2014.
    """

    gates = 3

    def __init__(
        self,
        inputs: int,
        units: int,
        rng: np.random.Generator,
        return_sequences: bool = False,
        reset_after: bool = True,
        dtype: type = np.float64,
    ) -> None:
        super().__init__(inputs, units, rng, return_sequences, dtype)
        self.reset_after = reset_after
        if reset_after:
            self.bias = np.zeros((2, 3 * units), dtype)

    @property
    def input_bias(self) -> np.ndarray:
        """What is added to the product of input and kernel, shape (3 * units,)."""
        return self.bias[0] if self.reset_after else self.bias

    def step(self, projected: np.ndarray, state: np.ndarray) -> tuple[tuple[np.ndarray, ...], Any]:
        """Compute the two gates, then the candidate, then the mixture."""
        h, two = state[0], 2 * self.units
        if self.reset_after:
            recurrent = h @ self.recurrent_kernel + self.bias[1]
            z, r = np.split(sigmoid(projected[:, :two] + recurrent[:, :two]), 2, axis=1)
            inner = recurrent[:, two:]
            g = np.tanh(projected[:, two:] + r * inner)
        else:
            recurrent = h @ self.recurrent_kernel[:, :two]
            z, r = np.split(sigmoid(projected[:, :two] + recurrent), 2, axis=1)
            inner = r * h
            g = np.tanh(projected[:, two:] + inner @ self.recurrent_kernel[:, two:])
        return (z * h + (1 - z) * g,), (z, r, g, inner)

    def step_backward(
        self, upstream: np.ndarray, state: np.ndarray, memory: Any
    ) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
        """Apply the formulas above; `inner` is Q or the reset state."""
        (by_h,), (h,), (z, r, g, inner) = upstream, state, memory
        u, two = self.recurrent_kernel, 2 * self.units
        delta_z = by_h * (h - g) * z * (1 - z)
        delta_h = by_h * (1 - z) * (1 - g * g)
        if self.reset_after:
            delta_r = delta_h * inner * r * (1 - r)
            before = by_h * z + np.hstack([delta_z, delta_r, delta_h * r]) @ u.T
        else:
            e = delta_h @ u[:, two:].T
            delta_r = e * h * r * (1 - r)
            before = by_h * z + e * r + np.hstack([delta_z, delta_r]) @ u[:, :two].T
        return np.hstack([delta_z, delta_r, delta_h]), (before,)

    def recurrent_gradients(self, delta: np.ndarray, memory: list[Any]) -> list[np.ndarray]:
        r"""Sum the gradients of recurrent kernel and bias over all steps.

        *After*: :math:`\sum_t \mathbf{H}_{t-1}^T \boldsymbol\rho_t`, and the column sums of
        :math:`\boldsymbol\delta` and :math:`\boldsymbol\rho`. *Before*: in the last block the
        reset state takes the place of :math:`\mathbf{H}_{t-1}`.
        """
        two = 2 * self.units
        before = self.states[0, :-1].reshape(-1, self.units)
        if self.reset_after:
            rho = delta.copy()
            rho[:, two:] *= np.concatenate([r for _, r, _, _ in memory])
            return [before.T @ rho, np.stack([delta.sum(axis=0), rho.sum(axis=0)])]
        inner = np.concatenate([inner for _, _, _, inner in memory])
        by_u = np.hstack([before.T @ delta[:, :two], inner.T @ delta[:, two:]])
        return [by_u, delta.sum(axis=0)]


class Bidirectional(Layer):
    r"""Two recurrent layers, one of which reads from the last step to the first, side by side.

    .. math:: \mathbf{Y}_t = [\overrightarrow{\mathbf{H}}_t, \overleftarrow{\mathbf{H}}_t]

    Without `return_sequences` each gives the output of the step that it reads last: the one T, the
    other 1. With it, outputs at masked steps are 0, as in Keras. The gradient by the input is the
    sum of those of the two layers.

    Parameters
    ----------
    onward, returning : Recurrent
        The layer that reads from the first step to the last, and the other. They have their own
        weights; the parameters are those of `onward`, then those of `returning`.

    Raises
    ------
    ValueError
        If both are the same object, or differ in their inputs or in `return_sequences`.

    References
    ----------
    M. Schuster and K. K. Paliwal, "Bidirectional Recurrent Neural Networks", IEEE Transactions on
    Signal Processing 45, 1997.
    """

    def __init__(self, onward: Recurrent, returning: Recurrent) -> None:
        super().__init__()
        if onward is returning:
            raise ValueError("expected two layers with their own weights, got one layer twice")
        for name, one, other in (
            ("inputs", len(onward.kernel), len(returning.kernel)),
            ("return_sequences", onward.return_sequences, returning.return_sequences),
        ):
            if one != other:
                raise ValueError(f"expected layers with the same {name}, got {one} and {other}")
        self.onward, self.returning = onward, returning

    @property
    def parameters(self) -> list[np.ndarray]:
        """Those of the layer that reads onward, then those of the other."""
        return [*self.onward.parameters, *self.returning.parameters]

    def forward(
        self, x: np.ndarray, training: bool = False, mask: np.ndarray | None = None
    ) -> np.ndarray:
        """Map x (N, T, inputs), with a mask (N, T) or None, to (N, T, both units) or (N, both)."""
        _expect_mask(mask, x)
        reversed_mask = None if mask is None else mask[:, ::-1]
        one = self.onward.forward(x, training, mask)
        other = self.returning.forward(x[:, ::-1], training, reversed_mask)
        if self.onward.return_sequences:
            other = other[:, ::-1]
        output = np.concatenate([one, other], axis=-1)
        if mask is not None and self.onward.return_sequences:
            output *= mask[:, :, None]
        return self._remember(output, mask)

    def backward(self, upstream: np.ndarray) -> np.ndarray:
        """Map the gradient by the output to that by the input (N, T, inputs)."""
        mask = self._recall(upstream)
        if mask is not None and self.onward.return_sequences:
            upstream = upstream * mask[:, :, None]
        one, other = np.split(upstream, [self.onward.units], axis=-1)
        if self.onward.return_sequences:
            other = other[:, ::-1]
        by_x = self.onward.backward(one) + self.returning.backward(other)[:, ::-1]
        self.gradients = [*self.onward.gradients, *self.returning.gradients]
        return by_x


def in_windows(
    layer: Recurrent,
    x: np.ndarray,
    window: int,
    initial_state: Sequence[np.ndarray] | np.ndarray | None = None,
) -> Iterator[tuple[slice, np.ndarray]]:
    """Run long sequences in windows: the state is carried from one to the next.

    After each window the caller may call ``layer.backward``, which goes back to the window's first
    step and no further, and may change the weights. This is *truncated* backpropagation through
    time: memory and time of a backward pass depend on the window and not on the sequence, and
    influences across the border of a window are left out of the gradient.

    Parameters
    ----------
    layer : Recurrent
        With `return_sequences`.
    x : ndarray, shape (N, T, inputs)
    window : int
        The number of steps in a window; the last window may be shorter.
    initial_state : sequence of ndarray (N, units), as many as the state has parts
        The state before the first step, 0 if None.

    Yields
    ------
    slice, ndarray of shape (N, steps in the window, units)
        Which steps these are, and the outputs.

    Raises
    ------
    ValueError
        If the window is shorter than one step, or the layer does not return sequences.

    References
    ----------
    R. J. Williams and J. Peng, "An Efficient Gradient-Based Algorithm for On-Line Training of
    Recurrent Network Trajectories", Neural Computation 2, 1990.
    """
    if window < 1:
        raise ValueError(f"window must be at least 1, got {window}")
    if not layer.return_sequences:
        raise ValueError("expected a layer with return_sequences=True")
    state = initial_state
    for start in range(0, x.shape[1], window):
        steps = slice(start, min(start + window, x.shape[1]))
        yield steps, layer.forward(x[:, steps], training=True, initial_state=state)
        state = layer.final_state


def truncated_gradients(
    layer: Recurrent,
    x: np.ndarray,
    loss_backward: Callable[[np.ndarray, slice], np.ndarray],
    window: int,
    initial_state: Sequence[np.ndarray] | np.ndarray | None = None,
) -> list[np.ndarray]:
    """Sum the parameters' gradients over all windows, with the weights as they are.

    Parameters
    ----------
    layer, x, window, initial_state
        As for `in_windows`.
    loss_backward : callable
        Takes the outputs of a window and the slice that says which steps they are; returns the
        gradient of the loss by these outputs.

    Returns
    -------
    list of ndarray
        In the order of ``layer.parameters``. If the window covers the whole sequence, these are
        the gradients of the loss.
    """
    total = [np.zeros_like(parameter) for parameter in layer.parameters]
    for steps, output in in_windows(layer, x, window, initial_state):
        layer.backward(loss_backward(output, steps))
        for sum_so_far, gradient in zip(total, layer.gradients, strict=True):
            sum_so_far += gradient
    return total


def spectral_radius(matrix: np.ndarray) -> float:
    r"""Return the largest absolute value of an eigenvalue, :math:`\rho(\mathbf{U})`.

    By Gelfand's formula :math:`\lVert \mathbf{U}^k \rVert^{1/k} \to \rho(\mathbf{U})`: what is
    multiplied by :math:`\mathbf{U}` at every step in the long run grows or shrinks by this factor.

    Parameters
    ----------
    matrix : ndarray, shape (n, n)

    Raises
    ------
    ValueError
        If the matrix is not square.
    """
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"expected a square matrix, got shape {matrix.shape}")
    return float(np.abs(np.linalg.eigvals(matrix)).max())


def state_jacobians(layer: Recurrent, x: np.ndarray) -> np.ndarray:
    r"""Differentiate the last state of one sequence by the state at each earlier step.

    .. math:: J_{t,ij} = \frac{\partial s_{T,j}}{\partial s_{t,i}},
        \qquad t = 0, \dots, T

    Indices run as in weights, from i to j, so for :math:`\mathbf{s}_t = \mathbf{s}_{t-1}
    \mathbf{U}` the matrix is :math:`\mathbf{U}^{T-t}`. For an LSTM the state is the row
    :math:`[\mathbf{h}_t, \mathbf{c}_t]`.

    The sequence is fed once for each entry j of the state, as one batch, and the upstream gradient
    of copy j is 1 at entry j of the last state: one backward pass gives all matrices.

    Parameters
    ----------
    layer : Recurrent
    x : ndarray, shape (T, inputs)
        One sequence.

    Returns
    -------
    ndarray, shape (T + 1, width, width)
        The width of the state is ``units``, for an LSTM ``2 * units``. The last matrix is the
        identity.

    Raises
    ------
    ValueError
        If x is not one sequence of the layer's inputs.
    """
    if x.ndim != 2:
        raise ValueError(f"expected one sequence of shape (T, inputs), got {x.shape}")
    width = layer.parts * layer.units
    output = layer.forward(np.repeat(x[None], width, axis=0))
    last = np.eye(width, dtype=output.dtype).reshape(width, layer.parts, layer.units)
    layer.backward(np.zeros_like(output), final_upstream=last.swapaxes(0, 1))
    steps = len(x) + 1
    return layer.state_gradients.transpose(1, 0, 3, 2).reshape(steps, width, width)
