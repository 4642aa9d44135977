"""The ID encoder: the published names and shapes, and what is computed from them."""

import math
from dataclasses import replace

import tiny

tiny.torch_ready()
import tiny_photomaker as made  # noqa: E402
import torch  # noqa: E402
from torch import Tensor  # noqa: E402

from mcu.backends.diffusers.photomaker.encoder import V1, V2, IDEncoder, Sizes  # noqa: E402
from mcu.backends.diffusers.photomaker.weights import build_encoder  # noqa: E402

# Two heads in the tower, three in the resampler.
MIDDLE = Sizes(width=128, mlp=192, layers=2, patch=14, picture=42, text=(128, 256))
MIDDLE_2 = replace(MIDDLE, face=24, tokens=2, depth=3)
RESAMPLER = "qformer_perceiver.perceiver_resampler"
Tensors = dict[str, Tensor]


def shapes(sizes: Sizes) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        return {name: tuple(t.shape) for name, t in IDEncoder(sizes).state_dict().items()}


def test_v1_has_the_published_tensors() -> None:
    found = shapes(V1)
    assert len(found) == 407
    assert round(sum(map(math.prod, found.values())) / 1e6, 1) == 326.3
    tower = [name for name in found if name.startswith("vision_model.")]
    assert len(tower) == 7 + 24 * 16
    layer = "vision_model.encoder.layers.23"
    wanted = {
        "vision_model.embeddings.class_embedding": (1024,),
        "vision_model.embeddings.patch_embedding.weight": (1024, 3, 14, 14),
        "vision_model.embeddings.position_embedding.weight": (257, 1024),
        "vision_model.pre_layrnorm.weight": (1024,),
        "vision_model.post_layernorm.bias": (1024,),
        f"{layer}.self_attn.q_proj.weight": (1024, 1024),
        f"{layer}.self_attn.out_proj.bias": (1024,),
        f"{layer}.layer_norm1.weight": (1024,),
        f"{layer}.mlp.fc1.weight": (4096, 1024),
        f"{layer}.mlp.fc2.weight": (1024, 4096),
    }
    assert {name: found[name] for name in wanted} == wanted
    rest = {name: shape for name, shape in found.items() if name not in tower}
    assert rest == {
        "visual_projection.weight": (768, 1024),
        "visual_projection_2.weight": (1280, 1024),
        "fuse_module.mlp1.layernorm.weight": (4096,),
        "fuse_module.mlp1.layernorm.bias": (4096,),
        "fuse_module.mlp1.fc1.weight": (2048, 4096),
        "fuse_module.mlp1.fc1.bias": (2048,),
        "fuse_module.mlp1.fc2.weight": (2048, 2048),
        "fuse_module.mlp1.fc2.bias": (2048,),
        "fuse_module.mlp2.layernorm.weight": (2048,),
        "fuse_module.mlp2.layernorm.bias": (2048,),
        "fuse_module.mlp2.fc1.weight": (2048, 2048),
        "fuse_module.mlp2.fc1.bias": (2048,),
        "fuse_module.mlp2.fc2.weight": (2048, 2048),
        "fuse_module.mlp2.fc2.bias": (2048,),
        "fuse_module.layer_norm.weight": (2048,),
        "fuse_module.layer_norm.bias": (2048,),
    }


def test_v2_adds_the_published_tensors() -> None:
    found, first = shapes(V2), shapes(V1)
    assert len(found) == 463
    assert round(sum(map(math.prod, found.values())) / 1e6, 1) == 543.4
    assert first.items() <= found.items()
    added = {name: shape for name, shape in found.items() if name not in first}
    wanted: dict[str, tuple[int, ...]] = {
        "qformer_perceiver.token_proj.0.weight": (2048, 512),
        "qformer_perceiver.token_proj.0.bias": (2048,),
        "qformer_perceiver.token_proj.2.weight": (4096, 2048),
        "qformer_perceiver.token_proj.2.bias": (4096,),
        "qformer_perceiver.token_norm.weight": (2048,),
        "qformer_perceiver.token_norm.bias": (2048,),
        f"{RESAMPLER}.proj_in.weight": (2048, 1024),
        f"{RESAMPLER}.proj_in.bias": (2048,),
        f"{RESAMPLER}.proj_out.weight": (2048, 2048),
        f"{RESAMPLER}.proj_out.bias": (2048,),
        f"{RESAMPLER}.norm_out.weight": (2048,),
        f"{RESAMPLER}.norm_out.bias": (2048,),
    }
    for number in range(4):
        layer = f"{RESAMPLER}.layers.{number}"
        wanted |= {
            f"{layer}.0.norm{n}.{kind}": (2048,) for n in "12" for kind in ("weight", "bias")
        }
        wanted |= {
            f"{layer}.0.to_q.weight": (2048, 2048),
            f"{layer}.0.to_kv.weight": (4096, 2048),
            f"{layer}.0.to_out.weight": (2048, 2048),
            f"{layer}.1.0.weight": (2048,),
            f"{layer}.1.0.bias": (2048,),
            f"{layer}.1.1.weight": (8192, 2048),
            f"{layer}.1.3.weight": (2048, 8192),
        }
    assert added == wanted


def linear(t: Tensors, name: str, x: Tensor) -> Tensor:
    return x @ t[f"{name}.weight"].T + t.get(f"{name}.bias", torch.zeros(()))


def norm(t: Tensors, name: str, x: Tensor) -> Tensor:
    away = x - x.mean(-1, keepdim=True)
    length = (away.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    return away / length * t[f"{name}.weight"] + t[f"{name}.bias"]


def gelu(x: Tensor) -> Tensor:
    return x * (1 + torch.erf(x / math.sqrt(2))) / 2


def attend(q: Tensor, k: Tensor, v: Tensor, width: int) -> Tensor:
    """Rows of q to rows of k and v, head by head."""
    heads = []
    for start in range(0, q.shape[-1], width):
        part = slice(start, start + width)
        weights = torch.exp(q[:, part] @ k[:, part].T / math.sqrt(width))
        heads.append(weights / weights.sum(-1, keepdim=True) @ v[:, part])
    return torch.cat(heads, -1)


def tower(t: Tensors, pixels: Tensor) -> Tensor:
    """Last hidden states of CLIP's vision tower for one picture [3, side, side]."""
    patches = t["vision_model.embeddings.patch_embedding.weight"]
    cut = pixels.unfold(1, 14, 14).unfold(2, 14, 14).permute(1, 2, 0, 3, 4).flatten(0, 1)
    x = cut.flatten(1) @ patches.flatten(1).T
    x = torch.cat([t["vision_model.embeddings.class_embedding"][None], x])
    x = norm(
        t, "vision_model.pre_layrnorm", x + t["vision_model.embeddings.position_embedding.weight"]
    )
    for number in range(2):
        layer = f"vision_model.encoder.layers.{number}"
        seen = norm(t, f"{layer}.layer_norm1", x)
        q, k, v = (linear(t, f"{layer}.self_attn.{part}_proj", seen) for part in "qkv")
        x = x + linear(t, f"{layer}.self_attn.out_proj", attend(q, k, v, 64))
        seen = linear(t, f"{layer}.mlp.fc1", norm(t, f"{layer}.layer_norm2", x))
        x = x + linear(t, f"{layer}.mlp.fc2", seen * torch.sigmoid(1.702 * seen))
    return x


def faces_tokens(t: Tensors, face: Tensor, context: Tensor) -> Tensor:
    """v2's ID tokens of one picture."""
    start = gelu(linear(t, "qformer_perceiver.token_proj.0", face))
    start = linear(t, "qformer_perceiver.token_proj.2", start).reshape(2, -1)
    start = norm(t, "qformer_perceiver.token_norm", start)
    context, x = linear(t, f"{RESAMPLER}.proj_in", context), start
    for number in range(3):
        layer = f"{RESAMPLER}.layers.{number}"
        c, own = norm(t, f"{layer}.0.norm1", context), norm(t, f"{layer}.0.norm2", x)
        k, v = linear(t, f"{layer}.0.to_kv", torch.cat([c, own])).chunk(2, -1)
        seen = attend(linear(t, f"{layer}.0.to_q", own), k, v, 128)
        x = x + linear(t, f"{layer}.0.to_out", seen)
        seen = gelu(linear(t, f"{layer}.1.1", norm(t, f"{layer}.1.0", x)))
        x = x + linear(t, f"{layer}.1.3", seen)
    return start + norm(t, f"{RESAMPLER}.norm_out", linear(t, f"{RESAMPLER}.proj_out", x))


def mlp(t: Tensors, name: str, x: Tensor) -> Tensor:
    return linear(t, f"{name}.fc2", gelu(linear(t, f"{name}.fc1", norm(t, f"{name}.layernorm", x))))


def test_v1_computes_what_its_tensors_say() -> None:
    t = made.id_encoder(MIDDLE)
    pixels = torch.randn(3, 3, 42, 42)
    found = build_encoder(t, "v1", 1).id_tokens(pixels)
    for one, picture in zip(found, pixels, strict=True):
        pooled = norm(t, "vision_model.post_layernorm", tower(t, picture)[0])
        both = [linear(t, name, pooled) for name in ("visual_projection", "visual_projection_2")]
        torch.testing.assert_close(one, torch.cat(both)[None], atol=1e-5, rtol=1e-5)


def test_v2_computes_what_its_tensors_say() -> None:
    t = made.id_encoder(MIDDLE_2)
    pixels, faces = torch.randn(3, 3, 42, 42), torch.randn(3, 24) * 4
    found = build_encoder(t, "v2", 2).id_tokens(pixels, faces)
    for one, picture, face in zip(found, pixels, faces, strict=True):
        wanted = faces_tokens(t, face, tower(t, picture))
        torch.testing.assert_close(one, wanted, atol=1e-4, rtol=1e-4)


def test_fusing_computes_what_the_tensors_say() -> None:
    t = made.id_encoder(MIDDLE)
    words, tokens = torch.randn(4, 384), torch.randn(4, 384)
    mixed = mlp(t, "fuse_module.mlp1", torch.cat([words, tokens], -1)) + words
    wanted = norm(t, "fuse_module.layer_norm", mlp(t, "fuse_module.mlp2", mixed) + mixed)
    found = build_encoder(t, "v1", 1).fused(words, tokens)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)
