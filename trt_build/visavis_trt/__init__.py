"""ONNX export and engine building for TensorRT and TensorRT-RTX."""
