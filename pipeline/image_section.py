"""The section `image` of the configuration: what draws, and by which routes."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from mcu.section import TRANSPORT, Section

RouteName = Literal[
    "sdxl",
    "lightning",
    "photomaker",
    "photomaker-v2",
    "ip-adapter-plus-face",
    "ip-adapter-faceid",
    "flux2-klein",
    "qwen-edit",
]
# The routes that can draw each kind of picture, the default first.
_ROUTES_OF = {
    "face": ("lightning", "sdxl", "flux2-klein"),
    "persona": (
        "photomaker",
        "photomaker-v2",
        "ip-adapter-plus-face",
        "ip-adapter-faceid",
        "flux2-klein",
        "qwen-edit",
    ),
    "scene": ("sdxl", "lightning", "flux2-klein"),
}


class RouteSection(Section):
    """How one kind of picture is drawn; what is empty is the route's own, see `mcu doctor`."""

    route: RouteName
    base: str = Field("", description="Base model: Hub id, folder or .safetensors file.")
    weights: str = Field("", description="What the route adds: Hub id/file, folder or file.")
    steps: int = Field(0, ge=0, le=200)
    guidance: float | None = Field(None, ge=0, le=30)
    strength: float | None = Field(
        None, ge=0, le=1, description="PhotoMaker: steps without the face; IP-Adapter: its scale."
    )


class ImageSection(Section):
    """The image generator."""

    backend: Literal["avatar", "diffusers"] = "avatar"
    workers: Annotated[int, TRANSPORT] = Field(2, ge=1, description="Threads that draw avatars.")
    face: RouteSection = RouteSection(route="lightning")
    persona: RouteSection = RouteSection(route="photomaker")
    scene: RouteSection = RouteSection(route="sdxl")
    size: int = Field(1024, ge=32, le=2048, multiple_of=8, description="Pixels a side.")
    negative: str | None = Field(None, description="What no picture shows, where guidance > 1.")
    precision: Literal["auto", "bf16", "fp16", "fp32"] = "auto"
    minors: Literal["illustrated", "photorealistic"] = Field(
        "illustrated", description="How personas under 18 are drawn."
    )
    non_commercial: bool = Field(False, description="Allow weights that forbid commercial use.")
    arcface: str = Field("", description="An ArcFace .onnx file, for the routes that need one.")
    devices: Annotated[tuple[str, ...], TRANSPORT] = Field(
        (), description="Such as cuda:0; empty takes every GPU, or the CPU."
    )
    batch: Annotated[int, TRANSPORT] = Field(
        0, ge=0, le=256, description="Pictures a call, padded to just so many; 0 finds the most."
    )
    offload: Annotated[Literal["auto", "off", "model", "sequential"], TRANSPORT] = "auto"
    compile: Annotated[bool, TRANSPORT] = Field(False, description="torch.compile the UNets.")

    @model_validator(mode="before")
    @classmethod
    def _named(cls, values: Any) -> Any:
        """A route's settings may be given without its name."""
        if not isinstance(values, dict):
            return values
        given = {n: v for n in _ROUTES_OF if isinstance(v := values.get(n), dict)}
        return values | {n: {"route": _ROUTES_OF[n][0], **v} for n, v in given.items()}

    @model_validator(mode="after")
    def _fitting(self) -> "ImageSection":
        for name, routes in _ROUTES_OF.items():
            if (route := getattr(self, name).route) not in routes:
                raise ValueError(f"image.{name}.route cannot be {route!r}: {', '.join(routes)}")
        return self
