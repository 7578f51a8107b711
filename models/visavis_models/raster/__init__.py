"""Meshes drawn as maps, fast enough for a live picture on one processor core."""

from visavis_models.raster.triangles import EMPTY, affine_planes, attribute_map, rasterise

__all__ = ["EMPTY", "affine_planes", "attribute_map", "rasterise"]
