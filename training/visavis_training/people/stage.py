"""The Blender stage: meshes, strands, materials, lights, camera and the render to linear light.

The only file that touches Blender (`pip install bpy`, a tool of its own, imported when a stage is opened). It shades
what the other files computed and knows nothing of faces beyond the names of the materials.
"""

from __future__ import annotations

import importlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from visavis_training.people.surface import Floats, Ints, Surface, vertex_normals


@dataclass(frozen=True, slots=True)
class Light:
    """A rectangular soft light: place relative to the eyes (metres), size (metres), watts and colour."""

    place: tuple[float, float, float]
    size: tuple[float, float]
    watts: float
    colour: tuple[float, float, float]


class Stage:
    """One scene. Add things, then `render`."""

    def __init__(self, width_px: int, height_px: int, samples: int, threads: int) -> None:
        import bpy

        self._bpy: Any = bpy
        bpy.ops.wm.read_factory_settings(use_empty=True)
        self._scene: Any = bpy.context.scene
        render, cycles = self._scene.render, self._scene.cycles
        render.engine = "CYCLES"
        render.resolution_x, render.resolution_y = width_px, height_px
        render.film_transparent = True
        render.threads_mode, render.threads = "FIXED", threads
        render.image_settings.file_format = "OPEN_EXR"
        render.image_settings.color_depth = "32"
        cycles.device, cycles.samples = "CPU", samples
        cycles.use_denoising = True
        cycles.use_adaptive_sampling, cycles.adaptive_threshold = True, 0.03
        cycles.max_bounces, cycles.transparent_max_bounces = 8, 24
        cycles.sample_clamp_indirect = 4.0
        self._scene.cycles_curves.shape = "RIBBONS"

    def subdivide(self, points: Floats, quads: Ints, texture: Floats, texture_quads: Ints, levels: int) -> Surface:
        """Catmull-Clark the quads `levels` times."""
        used, renumbered = np.unique(quads, return_inverse=True)
        mesh = self._mesh("coarse", points[used], renumbered.reshape(quads.shape))
        layer = mesh.uv_layers.new(name="UV")
        layer.data.foreach_set("uv", texture[texture_quads].astype(np.float32).ravel())
        thing = self._bpy.data.objects.new("coarse", mesh)
        self._scene.collection.objects.link(thing)
        modifier = thing.modifiers.new("subdivision", "SUBSURF")
        modifier.levels = levels
        evaluated = thing.evaluated_get(self._bpy.context.evaluated_depsgraph_get())
        fine = evaluated.to_mesh()
        fine_points = np.empty((len(fine.vertices), 3), np.float32)
        fine.vertices.foreach_get("co", fine_points.ravel())
        corner = np.empty(len(fine.loops), np.int32)
        fine.loops.foreach_get("vertex_index", corner)
        uv = np.empty((len(fine.loops), 2), np.float32)
        fine.uv_layers[0].data.foreach_get("uv", uv.ravel())
        evaluated.to_mesh_clear()
        self._bpy.data.objects.remove(thing)
        fine_quads = corner.reshape(-1, 4).astype(np.int64)
        fine_texture = np.zeros((len(fine_points), 2))
        fine_texture[corner] = uv
        where = fine_points.astype(np.float64)
        return Surface(where, vertex_normals(where, fine_quads), fine_texture, fine_quads)

    def _mesh(self, name: str, points: Floats, quads: Ints) -> Any:
        mesh = self._bpy.data.meshes.new(name)
        mesh.vertices.add(len(points))
        mesh.vertices.foreach_set("co", points.astype(np.float32).ravel())
        mesh.loops.add(quads.size)
        mesh.loops.foreach_set("vertex_index", quads.astype(np.int32).ravel())
        mesh.polygons.add(len(quads))
        mesh.polygons.foreach_set("loop_start", np.arange(0, quads.size, 4, dtype=np.int32))
        mesh.update(calc_edges=True)
        mesh.polygons.foreach_set("use_smooth", np.ones(len(quads), dtype=bool))
        return mesh

    def add_mesh(self, name: str, points: Floats, quads: Ints, material: Any, **attributes: Floats) -> None:
        """Add a smooth quad mesh; attributes are (V,) floats or (V, 3) colours the material may read by name."""
        mesh = self._mesh(name, points, quads)
        for key, values in attributes.items():
            if values.ndim == 2:
                colours = np.concatenate([values, np.ones((len(values), 1))], 1).astype(np.float32)
                mesh.attributes.new(key, "FLOAT_COLOR", "POINT").data.foreach_set("color", colours.ravel())
            else:
                mesh.attributes.new(key, "FLOAT", "POINT").data.foreach_set("value", values.astype(np.float32))
        mesh.materials.append(material)
        self._scene.collection.objects.link(self._bpy.data.objects.new(name, mesh))

    def add_strands(self, name: str, strands: Floats, radius: Floats, material: Any) -> None:
        """Add strands (N, K, 3) in metres, with a radius in metres per strand point (N, K)."""
        curves = self._bpy.data.hair_curves.new(name)
        curves.add_curves([strands.shape[1]] * len(strands))
        curves.attributes["position"].data.foreach_set("vector", strands.astype(np.float32).ravel())
        layer = curves.attributes.get("radius") or curves.attributes.new("radius", "FLOAT", "POINT")
        layer.data.foreach_set("value", radius.astype(np.float32).ravel())
        curves.materials.append(material)
        self._scene.collection.objects.link(self._bpy.data.objects.new(name, curves))

    def _nodes(self, name: str) -> tuple[Any, Any, Any]:
        material = self._bpy.data.materials.new(name)
        material.use_nodes = True
        tree = material.node_tree
        return material, tree, tree.nodes["Principled BSDF"]

    @staticmethod
    def _node(tree: Any, kind: str, links: dict[Any, Any] | None = None, **values: Any) -> Any:
        node = tree.nodes.new(kind)
        for key, value in values.items():
            setattr(node, key, value)
        for key, value in (links or {}).items():
            if hasattr(value, "is_output"):
                tree.links.new(value, node.inputs[key])
            else:
                node.inputs[key].default_value = value
        return node

    def _attribute(self, tree: Any, name: str) -> Any:
        return self._node(tree, "ShaderNodeAttribute", attribute_name=name)

    def skin(self, pores: float) -> Any:
        """Skin that reads `colour`, `roughness` and `lip`: scattering below, pores and fine creases above."""
        material, tree, shader = self._nodes("skin")
        place = self._node(tree, "ShaderNodeTexCoord").outputs["Object"]
        lip = self._attribute(tree, "lip").outputs["Fac"]

        def relief(kind: str, scale: float, distance: float, strength: float, before: Any, **links: Any) -> Any:
            texture = self._node(tree, kind, {"Vector": place, "Scale": scale, **links})
            source = texture.outputs["Distance" if kind.endswith("Voronoi") else 0]
            inputs = {"Height": source, "Distance": distance, "Strength": strength}
            node = self._node(tree, "ShaderNodeBump", inputs)
            if before is not None:
                tree.links.new(before, node.inputs["Normal"])
            return node.outputs["Normal"]

        normal = relief("ShaderNodeTexNoise", 260.0, 0.0006, 0.35 * pores, None, Detail=4.0)
        normal = relief("ShaderNodeTexVoronoi", 1100.0, 0.0002, 0.55 * pores, normal)
        normal = relief("ShaderNodeTexNoise", 1700.0, 0.00022, 0.5 * pores, normal, Detail=3.0)
        stretch = self._node(tree, "ShaderNodeMapping", {"Vector": place, "Scale": (1.0, 1.0, 0.16)})
        crease = self._node(tree, "ShaderNodeTexNoise", {"Vector": stretch.outputs[0], "Scale": 850.0, "Detail": 3.0})
        lips = self._node(tree, "ShaderNodeMath", {0: lip, 1: 0.6}, operation="MULTIPLY")
        inputs = {"Height": crease.outputs[0], "Distance": 0.0007, "Strength": lips.outputs[0], "Normal": normal}
        normal = self._node(tree, "ShaderNodeBump", inputs).outputs["Normal"]
        tree.links.new(self._attribute(tree, "colour").outputs["Color"], shader.inputs["Base Color"])
        tree.links.new(self._attribute(tree, "roughness").outputs["Fac"], shader.inputs["Roughness"])
        tree.links.new(normal, shader.inputs["Normal"])
        shader.subsurface_method = "RANDOM_WALK"
        for key, value in (("Weight", 1.0), ("Scale", 0.0032), ("Radius", (1.0, 0.42, 0.24)), ("Anisotropy", 0.7)):
            shader.inputs[f"Subsurface {key}"].default_value = value
        shader.inputs["IOR"].default_value = 1.42
        shader.inputs["Specular IOR Level"].default_value = 0.5
        return material

    def eye(self) -> Any:
        """The eyeball's painted surface."""
        material, tree, shader = self._nodes("eye")
        tree.links.new(self._attribute(tree, "colour").outputs["Color"], shader.inputs["Base Color"])
        shader.inputs["Roughness"].default_value = 0.22
        shader.inputs["Specular IOR Level"].default_value = 0.35
        shader.inputs["Subsurface Weight"].default_value = 0.12
        shader.inputs["Subsurface Scale"].default_value = 0.001
        return material

    def cornea(self) -> Any:
        """A clear wet surface: lets light pass straight, mirrors what a lens of its index would mirror."""
        material, tree, shader = self._nodes("cornea")
        tree.nodes.remove(shader)
        facing = self._node(tree, "ShaderNodeFresnel", {"IOR": 1.38})
        clear = self._node(tree, "ShaderNodeBsdfTransparent")
        mirror = self._node(tree, "ShaderNodeBsdfGlossy", {"Roughness": 0.03})
        mix = self._node(tree, "ShaderNodeMixShader", {0: facing.outputs[0], 1: clear.outputs[0], 2: mirror.outputs[0]})
        tree.links.new(mix.outputs[0], tree.nodes["Material Output"].inputs[0])
        return material

    def plain(self, name: str, colour: tuple[float, float, float], roughness: float) -> Any:
        """One colour (linear), for teeth and the like."""
        material, _, shader = self._nodes(name)
        shader.inputs["Base Color"].default_value = (*colour, 1.0)
        shader.inputs["Roughness"].default_value = roughness
        return material

    def hair(self, melanin: float, redness: float, grey: float, roughness: float = 0.35) -> Any:
        """Hair fibres; grey is the share of fibres without pigment."""
        material, tree, shader = self._nodes("hair")
        tree.nodes.remove(shader)
        fibre = self._node(tree, "ShaderNodeBsdfHairPrincipled", parametrization="MELANIN")
        random = self._node(tree, "ShaderNodeHairInfo").outputs["Random"]
        inputs = {"Value": random, "From Min": grey - 0.02, "From Max": grey + 0.001, "To Min": 0.10, "To Max": melanin}
        amount = self._node(tree, "ShaderNodeMapRange", inputs)
        tree.links.new(amount.outputs[0], fibre.inputs["Melanin"])
        for key, value in (
            ("Melanin Redness", redness),
            ("Roughness", roughness),
            ("Radial Roughness", 0.45),
            ("Random Color", 0.25),
            ("Random Roughness", 0.3),
            ("Coat", 0.0),
        ):
            if key in fibre.inputs:
                fibre.inputs[key].default_value = value
        tree.links.new(fibre.outputs[0], tree.nodes["Material Output"].inputs[0])
        return material

    def cloth(self, name: str, colour: tuple[float, float, float], weave_per_metre: float, fuzz: float) -> Any:
        """Cloth: a weave in relief, small colour changes, a soft sheen."""
        material, tree, shader = self._nodes(name)
        place = self._node(tree, "ShaderNodeTexCoord").outputs["Object"]
        tone = self._node(
            tree, "ShaderNodeTexNoise", {"Vector": place, "Scale": 70.0, "Detail": 8.0, "Roughness": 0.75}
        )
        low, high = (np.array(colour) * 0.72, np.array(colour) * 1.2)
        mix = self._node(tree, "ShaderNodeMix", data_type="RGBA")
        tree.links.new(tone.outputs[0], mix.inputs["Factor"])
        mix.inputs[6].default_value, mix.inputs[7].default_value = (*low, 1.0), (*high, 1.0)
        tree.links.new(mix.outputs[2], shader.inputs["Base Color"])
        weave = self._node(tree, "ShaderNodeTexVoronoi", {"Vector": place, "Scale": weave_per_metre})
        inputs = {"Height": weave.outputs["Distance"], "Distance": 0.6 / weave_per_metre, "Strength": 0.5}
        normal = self._node(tree, "ShaderNodeBump", inputs).outputs["Normal"]
        tree.links.new(normal, shader.inputs["Normal"])
        shader.inputs["Roughness"].default_value = 0.9
        shader.inputs["Specular IOR Level"].default_value = 0.2
        shader.inputs["Sheen Weight"].default_value = fuzz
        shader.inputs["Sheen Roughness"].default_value = 0.5
        return material

    def light(self, eyes: Floats, lights: tuple[Light, ...], ambient: tuple[float, float, float]) -> None:
        """Place soft lights around the eyes' middle and an even ambient light."""
        vector = importlib.import_module("mathutils").Vector

        for number, light in enumerate(lights):
            lamp = self._bpy.data.lights.new(f"light{number}", "AREA")
            lamp.shape, lamp.size, lamp.size_y = "RECTANGLE", *light.size
            lamp.energy, lamp.color = light.watts, light.colour
            thing = self._bpy.data.objects.new(lamp.name, lamp)
            thing.location = (eyes + np.array(light.place)).tolist()
            thing.rotation_euler = (vector(eyes.tolist()) - thing.location).to_track_quat("-Z", "Y").to_euler()
            self._scene.collection.objects.link(thing)
        world = self._bpy.data.worlds.new("world")
        world.use_nodes = True
        world.node_tree.nodes["Background"].inputs[0].default_value = (*ambient, 1.0)
        self._scene.world = world

    def camera(self, eye: Floats, target: Floats, frame_width: float, focus: float, f_stop: float) -> None:
        """Look from `eye` at `target` (metres) with a frame `frame_width` metres wide there."""
        vector = importlib.import_module("mathutils").Vector

        camera = self._bpy.data.cameras.new("camera")
        distance = float(np.linalg.norm(target - eye))
        camera.sensor_fit, camera.sensor_width = "HORIZONTAL", 36.0
        camera.lens = 36.0 * distance / frame_width
        camera.dof.use_dof, camera.dof.focus_distance, camera.dof.aperture_fstop = True, focus, f_stop
        thing = self._bpy.data.objects.new("camera", camera)
        thing.location = eye.tolist()
        thing.rotation_euler = vector((target - eye).tolist()).to_track_quat("-Z", "Y").to_euler()
        self._scene.collection.objects.link(thing)
        self._scene.camera = thing

    def render(self) -> Floats:
        """Linear light with premultiplied alpha, float32 (H, W, 4), top row first."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "light.exr"
            self._scene.render.filepath = str(path)
            self._bpy.ops.render.render(write_still=True)
            image = self._bpy.data.images.load(str(path))
            width, height = image.size
            pixels = np.empty(width * height * 4, np.float32)
            image.pixels.foreach_get(pixels)
        return np.ascontiguousarray(pixels.reshape(height, width, 4)[::-1])
