"""PhotoMaker's ID encoder: ID pictures to ID tokens, and those into the class word's vectors."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from mcu.backends.diffusers.photomaker.resampler import FaceTokens

_HEAD = 64  # width of an attention head in all of CLIP's vision towers


@dataclass(frozen=True)
class Sizes:
    """What the weights do not say of themselves but by their shapes; v1's are the defaults.

    Attributes:
        width: of the vision tower, CLIP ViT-L/14's.
        patch: pixels a side.
        picture: pixels a side of what the tower sees.
        text: widths of SDXL's two text encoders.
        face: width of the ArcFace embedding; 0 is v1, which takes none.
        tokens: ID tokens a picture; 2 in v2.
        depth: layers of v2's resampler; 4 there.
    """

    width: int = 1024
    mlp: int = 4096
    layers: int = 24
    patch: int = 14
    picture: int = 224
    text: tuple[int, int] = (768, 1280)
    face: int = 0
    tokens: int = 1
    depth: int = 0


V1 = Sizes()
V2 = Sizes(face=512, tokens=2, depth=4)


class IDEncoder(nn.Module):
    """Both published encoders; the names of the tensors are those of the published files.

    Source: arXiv 2312.04461, section 3.2; the files of TencentARC/PhotoMaker and PhotoMaker-V2.
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.sizes = sizes
        text = sum(sizes.text)
        self.vision_model = CLIPVisionModelWithProjection(_tower(sizes)).vision_model
        self.visual_projection = nn.Linear(sizes.width, sizes.text[0], bias=False)
        self.visual_projection_2 = nn.Linear(sizes.width, sizes.text[1], bias=False)
        self.fuse_module = Fuse(text)
        if sizes.face:
            self.qformer_perceiver = FaceTokens(
                sizes.face, sizes.width, text, tokens=sizes.tokens, depth=sizes.depth
            )

    def id_tokens(self, pixels: Tensor, face: Tensor | None = None) -> Tensor:
        """ID tokens [n, tokens, text] of n ID pictures.

        Args:
            pixels: [n, 3, picture, picture], normalised as CLIP's are.
            face: ArcFace embeddings [n, 512] as the network gives them, not of length 1. v2 alone
                takes them, and has no use for the two projections.
        """
        seen = self.vision_model(pixels)
        if face is not None:
            tokens: Tensor = self.qformer_perceiver(face, seen.last_hidden_state)
            return tokens
        pooled = seen.pooler_output
        both = [self.visual_projection(pooled), self.visual_projection_2(pooled)]
        return torch.cat(both, dim=-1)[:, None]

    def fused(self, words: Tensor, tokens: Tensor) -> Tensor:
        """The class word's vectors [n, text], each with one of the ID tokens [n, text] in it."""
        result: Tensor = self.fuse_module(words, tokens)
        return result


class Fuse(nn.Module):
    """Two MLPs that put an ID token into a word's vector."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mlp1 = MLP(2 * width, width)
        self.mlp2 = MLP(width, width)
        self.layer_norm = nn.LayerNorm(width)

    def forward(self, words: Tensor, tokens: Tensor) -> Tensor:
        """As `IDEncoder.fused`."""
        mixed = self.mlp1(torch.cat([words, tokens], dim=-1)) + words
        result: Tensor = self.layer_norm(self.mlp2(mixed) + mixed)
        return result


class MLP(nn.Module):
    """Layer norm, linear, exact GELU, linear."""

    def __init__(self, taken: int, width: int) -> None:
        super().__init__()
        self.layernorm = nn.LayerNorm(taken)
        self.fc1 = nn.Linear(taken, width)
        self.fc2 = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """[n, taken] to [n, width]."""
        result: Tensor = self.fc2(gelu(self.fc1(self.layernorm(x))))
        return result


def _tower(sizes: Sizes) -> CLIPVisionConfig:
    return CLIPVisionConfig(
        hidden_size=sizes.width,
        intermediate_size=sizes.mlp,
        num_hidden_layers=sizes.layers,
        num_attention_heads=max(1, sizes.width // _HEAD),
        patch_size=sizes.patch,
        image_size=sizes.picture,
        projection_dim=sizes.text[0],
    )
