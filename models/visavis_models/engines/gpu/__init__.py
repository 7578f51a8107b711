"""Engines of NVIDIA cards and the reading of graphs for them: the only part of `engines` that needs torch or onnx."""
