"""Graphs of ONNX put together by hand: trees, and from features to the probability of bogus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rbztf.models.ensemble.stacking import LARGEST_LOGIT, Combination
from rbztf.models.ensemble.trees_member import FittedTrees
from rbztf.models.onnx.networks import OBJECTS, OPSET
from rbztf.models.onnx.trees import trees_node

TREES_OPSET = 3
"""Of the domain ai.onnx.ml."""
IR_VERSION = 8
"""Of the files: what ONNX Runtime 1.10 and later read."""


def trees_model(trained: Sequence[FittedTrees]) -> Any:
    """All trainings of a trees member: ``rows`` (n, columns) float64 to ``logits`` (n, trainings, 1) float32."""
    from onnx import TensorProto, helper, numpy_helper

    nodes = [
        trees_node([member.text for member in trained], "rows", "sums"),
        helper.make_node("Unsqueeze", ["sums", "last"], ["logits"]),
    ]
    rows = helper.make_tensor_value_info("rows", TensorProto.DOUBLE, [OBJECTS, len(trained[0].names)])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [OBJECTS, len(trained), 1])
    last = numpy_helper.from_array(np.array([2], np.int64), "last")
    return finished(helper.make_graph(nodes, "trees", [rows], [logits], [last]))


def score_model(
    combination: Combination, members: Mapping[str, Any], columns: Mapping[str, Sequence[int]], width: int
) -> Any:
    """From ``features`` (n, width) float32 to ``p_bogus`` and ``log_odds``, both (n,) float32.

    Parameters
    ----------
    members : dict of str to onnx.ModelProto
        Of the combination: each reads ``rows`` and gives ``logits``.
    columns : dict of str to sequence of int
        Which of the features each reads, in its order.
    """
    from onnx import TensorProto, compose, helper, numpy_helper

    nodes = [helper.make_node("Cast", ["features"], ["wide"], to=TensorProto.DOUBLE)]
    constants: dict[str, Any] = {
        "bogus": np.array(0, np.int64),
        "least": np.array(-LARGEST_LOGIT),
        "largest": np.array(LARGEST_LOGIT),
        "weights": combination.weights[:, None],
        "bias": np.array([combination.bias]),
        "second": np.array([1], np.int64),
    }
    kept = []
    for number, name in enumerate(combination.members):
        prefix = f"member{number}_"
        part = compose.add_prefix(members[name], prefix).graph
        constants[f"{prefix}columns"] = np.array(columns[name], np.int64)
        nodes.append(helper.make_node("Gather", ["wide", f"{prefix}columns"], [f"{prefix}rows"], axis=1))
        nodes += part.node
        kept += part.initializer
        nodes += [
            helper.make_node("Gather", [f"{prefix}logits", "bogus"], [f"{prefix}each"], axis=2),
            helper.make_node("Cast", [f"{prefix}each"], [f"{prefix}wide"], to=TensorProto.DOUBLE),
            helper.make_node("ReduceMean", [f"{prefix}wide"], [f"{prefix}mean"], axes=[1], keepdims=1),
        ]
    means = [f"member{number}_mean" for number in range(len(combination.members))]
    nodes += [
        helper.make_node("Concat", means, ["means"], axis=1),
        helper.make_node("Clip", ["means", "least", "largest"], ["clipped"]),
        helper.make_node("MatMul", ["clipped", "weights"], ["weighed"]),
        helper.make_node("Add", ["weighed", "bias"], ["sum"]),
        helper.make_node("Squeeze", ["sum", "second"], ["whole"]),
        helper.make_node("Sigmoid", ["whole"], ["p"]),
        helper.make_node("Cast", ["whole"], ["log_odds"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["p"], ["p_bogus"], to=TensorProto.FLOAT),
    ]
    kept += [numpy_helper.from_array(value, name) for name, value in constants.items()]
    features = helper.make_tensor_value_info("features", TensorProto.FLOAT, [OBJECTS, width])
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [OBJECTS]) for name in ("p_bogus", "log_odds")
    ]
    return finished(helper.make_graph(nodes, "score", [features], outputs, kept))


def finished(graph: Any) -> Any:
    """A graph as a model, checked."""
    from onnx import checker, helper

    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", TREES_OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
    checker.check_model(model)
    return model
