"""A tiny random network with the shapes of ArcFace's."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from mcu.backends.arcface import CROP, WIDTH


def network(path: Path, side: int = CROP, width: int = WIDTH) -> Path:
    """A tiny network of ArcFace's shapes: means of squares of 16 px times random weights."""
    cells = 3 * (side // 16) ** 2
    table = np.random.default_rng(0).normal(size=(cells, width)).astype(np.float32)
    nodes = [
        helper.make_node(
            "AveragePool", ["input.1"], ["p"], kernel_shape=[16, 16], strides=[16, 16]
        ),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("MatMul", ["f", "table"], ["683"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("input.1", TensorProto.FLOAT, ["None", 3, side, side])],
        [helper.make_tensor_value_info("683", TensorProto.FLOAT, ["None", width])],
        [numpy_helper.from_array(table, "table")],
    )
    opset = [helper.make_opsetid("", 13)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), str(path))
    return path
