"""A network that sums the votes of an object's frames.

Each frame is encoded. In a *context* network, mean, deviation, maximum and attention over all
frames (and rows of statistics and features, where the network reads them) make a context, and
each frame, seen in that context, gives a vote and a weight: the conjunctive pooling of Early et
al. 2024 (MILLET, arXiv:2311.10049, section 3.3), with a context. In a *votes* network each frame votes
by itself and all weigh alike (the additive multiple-instance learning of Javed et al. 2022,
arXiv:2206.01794): its votes tell of that frame, not of the object.

The logit is the weighted sum of the votes, so what each frame contributes to it is exact and
the contributions add up.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NOWHERE = -1e4
"""Stands for minus infinity where a frame is padding; finite, so that sums stay numbers."""


class PooledNetwork(nn.Module):
    """Frames, a row of features, or both, to the logit of bogus.

    Parameters
    ----------
    frame_inputs : int
        Columns per frame; 0 if the network reads no frames.
    row_inputs : int
        Columns of the encoded feature row; 0 if it reads none.
    outputs : int
        Logits: the first is bogus, the others are auxiliary (tags).
    hidden, context, heads : int
        Width of the frame encoder, width of a frame in context, attention heads.
    recurrent : int
        Hidden size of each direction of a GRU over the encoded frames; 0 leaves it out.
    dropout : float
    votes : bool
        Frames vote by themselves; the network then reads no rows.
    """

    def __init__(
        self,
        frame_inputs: int,
        row_inputs: int,
        outputs: int,
        *,
        hidden: int = 64,
        context: int = 64,
        heads: int = 4,
        recurrent: int = 0,
        dropout: float = 0.5,
        votes: bool = False,
    ) -> None:
        super().__init__()
        self.dropout, self.frame_inputs, self.votes = dropout, frame_inputs, votes
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.vote = nn.Linear(context, outputs, bias=False)
        if frame_inputs:
            self.encode = nn.Sequential(
                nn.Linear(frame_inputs, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU()
            )
            self.recurrent = (
                nn.GRU(hidden, recurrent, batch_first=True, bidirectional=True) if recurrent else None
            )
            width = hidden + 2 * recurrent
            self.see = nn.Linear(width, context, bias=votes)
        if frame_inputs and not votes:
            self.attend = nn.Linear(width, heads)
            self.norm = nn.LayerNorm(width * (3 + heads))
            self.summarise = nn.Linear(width * (3 + heads), context)
            self.weigh = nn.Linear(context, 1)
        if row_inputs:
            self.read_row = nn.Sequential(
                nn.Linear(row_inputs, 2 * context),
                nn.GELU(),
                nn.Dropout(dropout),
                nn.Linear(2 * context, context),
            )

    @property
    def reads_frames(self) -> bool:
        """Whether it reads frames."""
        return self.frame_inputs > 0

    def forward(self, frames: Tensor, valid: Tensor, rows: Tensor) -> Tensor:
        """Logits, (batch, outputs); arguments as for :meth:`contributions`."""
        weights, votes = self._weights_and_votes(frames, valid, rows)
        logits: Tensor = (weights[..., None] * votes).sum(dim=1) + self.bias
        return logits

    def contributions(self, frames: Tensor, valid: Tensor, rows: Tensor) -> Tensor:
        """What each frame adds to the logit of bogus.

        Parameters
        ----------
        frames : Tensor (batch, longest, frame_inputs)
            Padded with anything finite.
        valid : Tensor (batch, longest), bool
            False where a frame is padding; at least one True a row.
        rows : Tensor (batch, row_inputs)

        Returns
        -------
        Tensor (batch, longest)
            0 where padding. Their sum and ``bias[0]`` give the logit.
        """
        weights, votes = self._weights_and_votes(frames, valid, rows)
        return weights * votes[..., 0]

    def _weights_and_votes(self, frames: Tensor, valid: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Weights (batch, longest), summing to one, and votes (batch, longest, outputs)."""
        context = self.read_row(rows)[:, None] if rows.shape[1] else frames.new_zeros(())
        if not self.reads_frames:
            seen = F.dropout(F.gelu(context), self.dropout, self.training)
            return seen.new_ones(seen.shape[:2]), self.vote(seen)
        encoded = self.encode(frames)
        if self.recurrent is not None:
            encoded = torch.cat([encoded, self._read_in_order(encoded, valid)], dim=-1)
        if self.votes:
            seen = F.dropout(F.gelu(self.see(encoded)), self.dropout / 2, self.training)
            return valid / valid.sum(dim=1, keepdim=True), self.vote(seen)
        summary = F.dropout(self.norm(self._pool(encoded, valid)), self.dropout, self.training)
        seen = F.gelu(self.see(encoded) + self.summarise(summary)[:, None] + context)
        seen = F.dropout(seen, self.dropout / 2, self.training)
        weights = self.weigh(seen)[..., 0].masked_fill(~valid, NOWHERE).softmax(dim=1)
        return weights, self.vote(seen)

    def _pool(self, encoded: Tensor, valid: Tensor) -> Tensor:
        """Mean, deviation, maximum and attention over the valid frames, (batch, width x (3 + heads))."""
        mask = valid[..., None]
        count = mask.sum(dim=1)
        mean = (encoded * mask).sum(dim=1) / count
        variance = ((encoded - mean[:, None]).square() * mask).sum(dim=1) / count
        largest = encoded.masked_fill(~mask, NOWHERE).amax(dim=1)
        attention = self.attend(encoded).masked_fill(~mask, NOWHERE).softmax(dim=1)
        attended = (attention.transpose(1, 2) @ encoded).flatten(1)
        return torch.cat([mean, (variance + 1e-4).sqrt(), largest, attended], dim=1)

    def _read_in_order(self, encoded: Tensor, valid: Tensor) -> Tensor:
        lengths = valid.sum(dim=1).cpu()
        packed = nn.utils.rnn.pack_padded_sequence(encoded, lengths, batch_first=True, enforce_sorted=False)
        assert self.recurrent is not None
        out, _ = nn.utils.rnn.pad_packed_sequence(
            self.recurrent(packed)[0], batch_first=True, total_length=encoded.shape[1]
        )
        return out
