"""Tiny random editing models in the layouts of the real ones."""

import json
from pathlib import Path
from typing import Any

from tiny import torch_ready

_SPECIAL = (
    "endoftext",
    "im_start",
    "im_end",
    "vision_start",
    "vision_end",
    "image_pad",
    "video_pad",
)
_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def _qwen_tokenizer() -> Any:
    """A byte-level tokenizer without merges: a letter, a token."""
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import Qwen2TokenizerFast

    special = [f"<|{name}|>" for name in _SPECIAL]
    words = [*special, *sorted(ByteLevel.alphabet())]
    return Qwen2TokenizerFast(
        vocab={word: number for number, word in enumerate(words)},
        merges=[],
        eos_token="<|im_end|>",
        additional_special_tokens=special,
        chat_template=_TEMPLATE,
    )


def _lively(model: Any) -> Any:
    """Random weights so large that what is shown to the model changes the picture."""
    import torch

    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(4)
    return model


def _flow() -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler

    return FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True)


def write_klein(folder: Path) -> Path:
    """FLUX.2 klein, distilled: 28 layers of text encoder, for the pipeline reads the 27th."""
    import torch
    from diffusers import AutoencoderKLFlux2, Flux2KleinPipeline, Flux2Transformer2DModel
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch_ready()
    torch.manual_seed(3)
    Flux2KleinPipeline(
        scheduler=_flow(),
        vae=AutoencoderKLFlux2(
            block_out_channels=(8, 8, 8, 8), latent_channels=4, norm_num_groups=4, sample_size=64
        ),
        text_encoder=Qwen3ForCausalLM(
            Qwen3Config(
                vocab_size=300,
                hidden_size=16,
                intermediate_size=16,
                num_hidden_layers=28,
                num_attention_heads=2,
                num_key_value_heads=1,
                head_dim=8,
            )
        ),
        tokenizer=_qwen_tokenizer(),
        transformer=_lively(
            Flux2Transformer2DModel(
                in_channels=16,
                num_layers=1,
                num_single_layers=1,
                attention_head_dim=16,
                num_attention_heads=2,
                joint_attention_dim=48,
                timestep_guidance_channels=16,
                axes_dims_rope=(4, 4, 4, 4),
                guidance_embeds=False,
            )
        ),
        is_distilled=True,
    ).save_pretrained(folder)
    return folder


def write_qwen(folder: Path) -> Path:
    """Qwen-Image-Edit-Plus, with a processor for the pictures that the text encoder reads."""
    import torch
    from diffusers import (
        AutoencoderKLQwenImage,
        QwenImageEditPlusPipeline,
        QwenImageTransformer2DModel,
    )
    from transformers import Qwen2VLProcessor
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
    from transformers.models.qwen2_vl.video_processing_qwen2_vl import Qwen2VLVideoProcessor

    torch_ready()
    torch.manual_seed(4)
    tokenizer = _qwen_tokenizer()
    QwenImageEditPlusPipeline(
        scheduler=_flow(),
        vae=AutoencoderKLQwenImage(
            base_dim=4,
            z_dim=4,
            dim_mult=[1, 1, 1, 1],
            num_res_blocks=1,
            latents_mean=[0.0] * 4,
            latents_std=[1.0] * 4,
        ),
        text_encoder=_qwen_text_encoder(tokenizer),
        tokenizer=tokenizer,
        processor=Qwen2VLProcessor(
            Qwen2VLImageProcessorPil(), tokenizer, Qwen2VLVideoProcessor(), _TEMPLATE
        ),
        transformer=_lively(
            QwenImageTransformer2DModel(
                in_channels=16,
                out_channels=4,
                num_layers=1,
                attention_head_dim=16,
                num_attention_heads=2,
                joint_attention_dim=16,
                axes_dims_rope=(8, 4, 4),
            )
        ),
    ).save_pretrained(folder)
    _as_published(folder / "processor")
    return folder


def _as_published(folder: Path) -> None:
    """A processor's settings in the files that the real one has, which are of an older layout."""
    whole = json.loads((folder / "processor_config.json").read_text())
    (folder / "processor_config.json").unlink()
    for part, name in (
        ("image_processor", "preprocessor"),
        ("video_processor", "video_preprocessor"),
    ):
        settings = {**whole[part], "processor_class": "Qwen2VLProcessor"}
        (folder / f"{name}_config.json").write_text(json.dumps(settings))


def _qwen_text_encoder(tokenizer: Any) -> Any:
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    number = tokenizer.convert_tokens_to_ids
    config = Qwen2_5_VLConfig(
        text_config={
            "vocab_size": 300,
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "bos_token_id": None,
            "eos_token_id": 2,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 1e6,
                "mrope_section": [1, 1, 2],
            },
        },
        vision_config={
            "depth": 2,
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_heads": 2,
            "out_hidden_size": 16,
            "window_size": 112,
            "fullatt_block_indexes": [1],
        },
        image_token_id=number("<|image_pad|>"),
        video_token_id=number("<|video_pad|>"),
        vision_start_token_id=number("<|vision_start|>"),
        vision_end_token_id=number("<|vision_end|>"),
    )
    return Qwen2_5_VLForConditionalGeneration(config)
