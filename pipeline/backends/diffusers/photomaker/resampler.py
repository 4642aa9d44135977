"""PhotoMaker v2's ID tokens: an ArcFace embedding that looks again at the face's patches."""

import torch
from torch import Tensor, nn

_HEAD = 128  # width of an attention head
_WIDER = 4  # how many times wider the hidden layers of MLPs are than what they take


class FaceTokens(nn.Module):
    """ID tokens from an ArcFace embedding and the vision tower's last hidden states."""

    def __init__(self, face: int, seen: int, width: int, *, tokens: int, depth: int) -> None:
        super().__init__()
        self._shape = (tokens, width)
        self.token_proj = nn.Sequential(
            nn.Linear(face, _WIDER * face), nn.GELU(), nn.Linear(_WIDER * face, tokens * width)
        )
        self.token_norm = nn.LayerNorm(width)
        self.perceiver_resampler = Resampler(seen, width, depth)

    def forward(self, face: Tensor, seen: Tensor) -> Tensor:
        """[n, face] and [n, patches + 1, seen] to [n, tokens, width]."""
        tokens: Tensor = self.token_norm(self.token_proj(face).view(-1, *self._shape))
        again: Tensor = self.perceiver_resampler(tokens, seen)
        return tokens + again


class Resampler(nn.Module):
    """A perceiver: a few latents that read a long context, layer by layer."""

    def __init__(self, seen: int, width: int, depth: int) -> None:
        super().__init__()
        self.proj_in = nn.Linear(seen, width)
        self.layers = nn.ModuleList(
            nn.ModuleList([Attention(width), _feed_forward(width)]) for _ in range(depth)
        )
        self.proj_out = nn.Linear(width, width)
        self.norm_out = nn.LayerNorm(width)

    def forward(self, latents: Tensor, context: Tensor) -> Tensor:
        """[n, tokens, width] and [n, patches + 1, seen] to [n, tokens, width]."""
        context = self.proj_in(context)
        for layer in self.layers:
            attend, feed = layer.children()
            latents = attend(context, latents) + latents
            latents = feed(latents) + latents
        result: Tensor = self.norm_out(self.proj_out(latents))
        return result


class Attention(nn.Module):
    """Latents attend to the context and to themselves."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_kv = nn.Linear(width, 2 * width, bias=False)
        self.to_out = nn.Linear(width, width, bias=False)
        self._heads = max(1, width // _HEAD)

    def forward(self, context: Tensor, latents: Tensor) -> Tensor:
        """[n, patches + 1, width] and [n, tokens, width] to [n, tokens, width]."""
        context, latents = self.norm1(context), self.norm2(latents)
        keys, values = self.to_kv(torch.cat([context, latents], dim=1)).chunk(2, dim=-1)
        query, key, value = (self._split(x) for x in (self.to_q(latents), keys, values))
        # Half of the usual scale on either side, so that their product does not overflow fp16.
        scale = query.shape[-1] ** -0.25
        scores = (query * scale) @ (key * scale).transpose(-2, -1)
        weights = scores.float().softmax(dim=-1).to(scores.dtype)
        result: Tensor = self.to_out((weights @ value).transpose(1, 2).flatten(2))
        return result

    def _split(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:-1], self._heads, -1).transpose(1, 2)


def _feed_forward(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.LayerNorm(width),
        nn.Linear(width, _WIDER * width, bias=False),
        nn.GELU(),
        nn.Linear(_WIDER * width, width, bias=False),
    )
