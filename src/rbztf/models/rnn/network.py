"""The recurrent classifiers of RB_ZTF: a sequence of frame vectors to two logits.

State-dict keys are the reference's (``rnn_layer.*``, ``clf.0.*``), whatever the padding,
so published weights run either way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

_CELLS: dict[str, Callable[..., nn.GRU | nn.LSTM]] = {"gru": nn.GRU, "lstm": nn.LSTM}


class RecurrentClassifier(nn.Module):
    """GRU or LSTM, its last hidden state (both directions), a linear layer.

    Parameters
    ----------
    inputs : int
        Columns per frame.
    cell : {"gru", "lstm"}
    hidden : int
        Hidden size of each direction.
    bidirectional : bool
    padding : {"masked", "reference"}
        ``masked`` reads each object's frames alone; ``reference`` also reads the zeros that
        fill its batch, as the published models do.
    dropout : float
        On the last hidden state, in training.
    """

    def __init__(
        self,
        inputs: int,
        *,
        cell: str = "gru",
        hidden: int = 128,
        bidirectional: bool = False,
        padding: str = "masked",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.padding, self.dropout = padding, dropout
        self.rnn_layer = _CELLS[cell](inputs, hidden, batch_first=True, bidirectional=bidirectional)
        self.clf = nn.Sequential(nn.Linear(hidden * (2 if bidirectional else 1), 2))

    def forward(self, sequences: Tensor, lengths: Tensor) -> Tensor:
        """Classify a batch of zero-padded sequences.

        Parameters
        ----------
        sequences : Tensor (batch, longest, inputs)
        lengths : Tensor (batch,), int64, on the CPU
            Frames of each object, at least 1.

        Returns
        -------
        Tensor (batch, 2)
            Logits: real, artefact.
        """
        if self.padding == "reference":
            state = self._state_with_padding(sequences)
        elif sequences.is_cuda:
            state = self._state_packed(sequences, lengths)
        else:
            state = self._state_masked(sequences, lengths)
        logits: Tensor = self.clf(F.dropout(state, self.dropout, self.training))
        return logits

    def _state_with_padding(self, sequences: Tensor) -> Tensor:
        return self._concatenate(self.rnn_layer(sequences)[1])

    def _state_packed(self, sequences: Tensor, lengths: Tensor) -> Tensor:
        packed = pack_padded_sequence(sequences, lengths, batch_first=True, enforce_sorted=False)
        return self._concatenate(self.rnn_layer(packed)[1])

    def _concatenate(self, state: Tensor | tuple[Tensor, Tensor]) -> Tensor:
        hidden = state[0] if isinstance(state, tuple) else state
        return hidden.transpose(0, 1).flatten(1)

    def _state_masked(self, sequences: Tensor, lengths: Tensor) -> Tensor:
        """What packing gives, without its cost on a CPU (7 to 16 times slower there).

        Each direction runs over the whole padded batch on its own, the backward one over
        sequences reversed within their length; the state after the last valid frame is
        then what the network had seen of the object, and nothing else.
        """
        rows = torch.arange(len(sequences), device=lengths.device)
        last = lengths - 1
        states = [self._run(sequences, "")[rows, last]]
        if self.rnn_layer.bidirectional:
            states.append(self._run(reverse_within(sequences, lengths), "_reverse")[rows, last])
        return torch.cat(states, dim=1)

    def _run(self, sequences: Tensor, direction: str) -> Tensor:
        """Outputs (batch, longest, hidden) of one direction's weights, run forward in time."""
        layer = self.rnn_layer
        parts = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        weights = [getattr(layer, f"{part}_l0{direction}") for part in parts]
        zero = sequences.new_zeros(1, len(sequences), layer.hidden_size)
        is_lstm = isinstance(layer, nn.LSTM)
        function: Callable[..., Any] = torch.lstm if is_lstm else torch.gru
        start = (zero, zero) if is_lstm else zero
        outputs: Tensor = function(sequences, start, weights, True, 1, 0.0, self.training, False, True)[0]
        return outputs


def reverse_within(sequences: Tensor, lengths: Tensor) -> Tensor:
    """Reverse each sequence within its own length, the padding staying where it is.

    Parameters
    ----------
    sequences : Tensor (batch, longest, columns)
    lengths : Tensor (batch,), int64
    """
    steps = torch.arange(sequences.shape[1], device=lengths.device)[None, :]
    index = torch.where(steps < lengths[:, None], lengths[:, None] - 1 - steps, steps)
    return torch.take_along_dim(sequences, index[:, :, None].to(sequences.device), dim=1)
