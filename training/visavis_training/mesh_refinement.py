"""MediaPipe's attention face mesh in standard ONNX: its three custom operators, and its outputs joined to 478 points.

The network crops its own features round lips and eyes by what it first thinks the landmarks are. Those crops are an
affine matrix and a bilinear sampling, written here with Gather, MatMul and GridSample.
"""

from __future__ import annotations

from itertools import chain

import numpy as np

from visavis_training.onnx_conversion import GraphConversion, add_rule
from visavis_training.tflite_reading import TfliteOperator

_CROP_PX = 16
_CROP_SCALE = 1.5


def _flexbuffer_subset(options: bytes) -> tuple[int, int, list[int]]:
    """left_rotation_idx, right_rotation_idx and subset_idxs of a Landmarks2TransformMatrix operator."""
    from flatbuffers import flexbuffers

    table = flexbuffers.Loads(options)
    expected = {"output_height": _CROP_PX, "output_width": _CROP_PX, "scale_x": _CROP_SCALE, "scale_y": _CROP_SCALE}
    if {key: table[key] for key in expected} != expected or table["target_rotation_radians"] != 0:
        raise ValueError("the crops of this face mesh are not those known here")
    return int(table["left_rotation_idx"]), int(table["right_rotation_idx"]), [int(i) for i in table["subset_idxs"]]


def _crop_matrix(graph: GraphConversion, operator: TfliteOperator) -> None:
    """(1, 468, 3) landmarks to the (1, 4, 4) matrix from crop pixels to feature pixels."""
    left, right, subset = _flexbuffer_subset(operator.custom_options)
    points = graph.value(operator.inputs[0])

    def pick(indices: list[int]) -> str:  # (n, 2)
        chosen = graph.one("Gather", points, graph.constant(np.array(indices, np.int64)), axis=1)
        start, stop = graph.constant(np.array([0], np.int64)), graph.constant(np.array([2], np.int64))
        flat = graph.one("Slice", chosen, start, stop, graph.constant(np.array([2], np.int64)))
        return graph.one("Squeeze", flat, graph.constant(np.array([0], np.int64)))

    along = graph.one("Sub", pick([right]), pick([left]))  # (1, 2)
    along = graph.one("Div", along, graph.one("ReduceL2", along, axes=[1], keepdims=1))
    cosine, sine = graph.emit("Split", [along], 2, axis=1)  # (1, 1) each
    turn = graph.one(  # rows rotate crop axes into feature axes
        "Concat",
        graph.one("Concat", cosine, graph.one("Neg", sine), axis=1),
        graph.one("Concat", sine, cosine, axis=1),
        axis=0,
    )
    upright = graph.one("MatMul", pick(subset), turn)  # (n, 2)
    high = graph.one("ReduceMax", upright, axes=[0], keepdims=1)
    low = graph.one("ReduceMin", upright, axes=[0], keepdims=1)
    half = graph.constant(np.array([0.5], np.float32))
    centre = graph.one("Mul", graph.one("Add", high, low), half)  # (1, 2), upright
    size = graph.one("Sub", high, low)
    scale = graph.one("Mul", size, graph.constant(np.array([_CROP_SCALE / _CROP_PX], np.float32)))
    linear = graph.one("Mul", turn, scale)  # (2, 2): rotation times scale of the columns
    corner = graph.one("Sub", centre, graph.one("Mul", scale, graph.constant(np.array([_CROP_PX / 2], np.float32))))
    turned_back = graph.one("Transpose", turn, perm=[1, 0])
    shift = graph.one("Transpose", graph.one("MatMul", corner, turned_back), perm=[1, 0])  # (2, 1)
    top = graph.one("Concat", linear, graph.constant(np.zeros((2, 1), np.float32)), shift, axis=1)  # (2, 4)
    bottom = graph.constant(np.array([[0, 0, 1, 0], [0, 0, 0, 1]], np.float32))
    matrix = graph.one("Concat", top, bottom, axis=0)
    shape = graph.constant(np.array([1, 4, 4], np.int64))
    graph.name_value(operator.outputs[0], graph.one("Reshape", matrix, shape))


def _affine(graph: GraphConversion, matrix: int, points: str) -> str:
    """Points (n, 3), the last column ones, moved by the first two rows of a (1, 4, 4) matrix: (n, 2)."""
    rows = graph.one("Reshape", graph.value(matrix), graph.constant(np.array([4, 4], np.int64)))
    rows = graph.one("Gather", rows, graph.constant(np.array([0, 1], np.int64)), axis=0)
    rows = graph.one("Gather", rows, graph.constant(np.array([0, 1, 3], np.int64)), axis=1)  # (2, 3)
    return graph.one("MatMul", points, graph.one("Transpose", rows, perm=[1, 0]))


def _crop(graph: GraphConversion, operator: TfliteOperator) -> None:
    """Sample the features bilinearly at the centres of the crop's pixels."""
    source, matrix = operator.inputs
    _, height, width, _ = graph.shape(source)
    centres = np.stack(np.meshgrid(np.arange(_CROP_PX), np.arange(_CROP_PX)), -1).reshape(-1, 2) + 0.5
    grid = np.concatenate([centres, np.ones((len(centres), 1))], 1).astype(np.float32)
    places = _affine(graph, matrix, graph.constant(grid))  # feature pixels, edges at 0 and W
    # GridSample without aligned corners puts -1 and 1 on the outer edges of the first and last pixel.
    scale = graph.constant(np.array([[2 / width, 2 / height]], np.float32))
    places = graph.one("Sub", graph.one("Mul", places, scale), graph.constant(np.array([1], np.float32)))
    places = graph.one("Reshape", places, graph.constant(np.array([1, _CROP_PX, _CROP_PX, 2], np.int64)))
    sampled = graph.one(
        "GridSample", graph.image(source), places, mode="bilinear", padding_mode="zeros", align_corners=0
    )
    graph.name_value(operator.outputs[0], sampled, channels_first=True)


def _move_points(graph: GraphConversion, operator: TfliteOperator) -> None:
    points, matrix = operator.inputs
    count = graph.shape(points)[1]
    flat = graph.one("Reshape", graph.value(points), graph.constant(np.array([count, 2], np.int64)))
    ones = graph.constant(np.ones((count, 1), np.float32))
    moved = _affine(graph, matrix, graph.one("Concat", flat, ones, axis=1))
    shape = graph.constant(np.array([1, count, 2], np.int64))
    graph.name_value(operator.outputs[0], graph.one("Reshape", moved, shape))


add_rule("Landmarks2TransformMatrix", _crop_matrix)
add_rule("TransformTensorBilinear", _crop)
add_rule("TransformLandmarks", _move_points)


def join_face_mesh(graph: GraphConversion) -> None:
    """Replace the outputs by `points` float32 (478, 3), px of the input picture, and `score` float32 (1,), 0..1.

    The refined outputs list their points in the order of the crops' own subsets, lips first, then the eye that
    MediaPipe calls left (at the picture's left), then the other; later ones win. Irises take the mean depth of their
    eye's contour.
    """
    crops = [op for op in graph.graph.operators if op.kind == "Landmarks2TransformMatrix"]
    subsets = [_flexbuffer_subset(operator.custom_options)[2] for operator in crops]
    counts = (80, 71, 71, 5, 5)
    assert [len(subset) for subset in subsets] == list(counts[:3]), "not the attention mesh of 478 points"

    def rows(output: str, count: int, width: int) -> str:
        return graph.one("Reshape", graph.by_name(output), graph.constant(np.array([count, width], np.int64)))

    def columns(value: str, indices: list[int]) -> str:
        return graph.one("Gather", value, graph.constant(np.array(indices, np.int64)), axis=1)

    mesh = rows("output_mesh_identity", 468, 3)
    names = ("output_lips", "output_left_eye", "output_right_eye", "output_left_iris", "output_right_iris")
    parts = [rows(name, count, 2) for name, count in zip(names, counts, strict=True)]
    taken = np.arange(478)
    for number, place in enumerate(chain(*subsets, range(468, 478))):
        taken[place] = 468 + number
    flat = graph.one("Concat", columns(mesh, [0, 1]), *parts, axis=0)
    flat = graph.one("Gather", flat, graph.constant(taken.astype(np.int64)), axis=0)  # (478, 2)
    depth = columns(mesh, [2])
    contour_points = 16
    irises = []
    for subset in subsets[1:]:
        contour = graph.constant(np.array(subset[:contour_points], np.int64))
        mean = graph.one("ReduceMean", graph.one("Gather", depth, contour, axis=0), axes=[0], keepdims=1)
        irises += [mean] * 5
    depth = graph.one("Concat", depth, *irises, axis=0)  # (478, 1)
    points = graph.one("Concat", flat, depth, axis=1)
    score = graph.one("Reshape", graph.by_name("conv_faceflag"), graph.constant(np.array([1], np.int64)))
    graph.replace_outputs([(points, "points", (478, 3)), (graph.one("Sigmoid", score), "score", (1,))])
