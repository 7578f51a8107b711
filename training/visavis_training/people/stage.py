"""The Blender stage: meshes, strands, materials, lights, camera and the render to linear light.

The only file that touches Blender (`pip install bpy`, a tool of its own, imported when a stage is opened). It shades
what the other files computed and knows nothing of faces beyond the names of the materials.
"""

from __future__ import annotations

import importlib
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from visavis_training.people.rooms import Lamp, Room
from visavis_training.people.surface import Floats, Ints, Surface, vertex_normals


class Stage:
    """One scene. Add things, then `render`."""

    def __init__(self, width_px: int, height_px: int, samples: int, threads: int, limit_s: float = 0.0) -> None:
        import bpy

        self._bpy: Any = bpy
        bpy.ops.wm.read_factory_settings(use_empty=True)
        self._scene: Any = bpy.context.scene
        render, cycles = self._scene.render, self._scene.cycles
        render.engine = "CYCLES"
        render.resolution_x, render.resolution_y = width_px, height_px
        render.threads_mode, render.threads = "FIXED", threads
        render.image_settings.file_format = "OPEN_EXR"
        render.image_settings.color_depth = "32"
        cycles.device, cycles.samples, cycles.time_limit = "CPU", samples, limit_s
        cycles.use_denoising = True
        cycles.use_adaptive_sampling, cycles.adaptive_threshold = True, 0.02
        cycles.max_bounces, cycles.diffuse_bounces, cycles.transparent_max_bounces = 6, 2, 24
        cycles.sample_clamp_indirect, cycles.sample_clamp_direct = 3.0, 40.0
        cycles.caustics_reflective = cycles.caustics_refractive = False
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

    def add_mesh(
        self,
        name: str,
        points: Floats,
        quads: Ints,
        material: Any,
        smooth: bool = True,
        thick: float = 0.0,
        **attributes: Floats,
    ) -> None:
        """Add a quad mesh; attributes are (V,) floats or (V, 3) colours the material may read by name."""
        mesh = self._mesh(name, points, quads)
        for key, values in attributes.items():
            if values.ndim == 2:
                colours = np.concatenate([values, np.ones((len(values), 1))], 1).astype(np.float32)
                mesh.attributes.new(key, "FLOAT_COLOR", "POINT").data.foreach_set("color", colours.ravel())
            else:
                mesh.attributes.new(key, "FLOAT", "POINT").data.foreach_set("value", values.astype(np.float32))
        if not smooth:
            mesh.polygons.foreach_set("use_smooth", np.zeros(len(quads), dtype=bool))
        mesh.materials.append(material)
        thing = self._bpy.data.objects.new(name, mesh)
        self._scene.collection.objects.link(thing)
        if thick:
            solid = thing.modifiers.new("thick", "SOLIDIFY")
            solid.thickness, solid.offset = thick, -1.0

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

        normal = relief("ShaderNodeTexNoise", 260.0, 0.0007, 0.45 * pores, None, Detail=4.0)
        normal = relief("ShaderNodeTexVoronoi", 1100.0, 0.00028, 0.75 * pores, normal)
        normal = relief("ShaderNodeTexNoise", 1700.0, 0.00026, 0.65 * pores, normal, Detail=3.0)
        stretch = self._node(tree, "ShaderNodeMapping", {"Vector": place, "Scale": (1.0, 1.0, 0.16)})
        crease = self._node(tree, "ShaderNodeTexNoise", {"Vector": stretch.outputs[0], "Scale": 850.0, "Detail": 3.0})
        lips = self._node(tree, "ShaderNodeMath", {0: lip, 1: 0.6}, operation="MULTIPLY")
        inputs = {"Height": crease.outputs[0], "Distance": 0.0007, "Strength": lips.outputs[0], "Normal": normal}
        normal = self._node(tree, "ShaderNodeBump", inputs).outputs["Normal"]
        # what the painted vertices are too coarse for: pores and blood by the millimetre
        paint = self._attribute(tree, "colour").outputs["Color"]
        for scale, spread in ((420.0, 0.10), (1300.0, 0.07)):
            mottle = self._node(tree, "ShaderNodeTexNoise", {"Vector": place, "Scale": scale, "Detail": 3.0})
            span = {
                "Value": mottle.outputs[0],
                "From Min": 0.3,
                "From Max": 0.7,
                "To Min": 1 - spread,
                "To Max": 1 + spread,
            }
            tone = self._node(tree, "ShaderNodeMapRange", span).outputs[0]
            paint = self._node(tree, "ShaderNodeVectorMath", {0: paint, 1: tone}, operation="MULTIPLY").outputs[0]
        tree.links.new(paint, shader.inputs["Base Color"])
        tree.links.new(self._attribute(tree, "roughness").outputs["Fac"], shader.inputs["Roughness"])
        tree.links.new(normal, shader.inputs["Normal"])
        shader.subsurface_method = "RANDOM_WALK"
        for key, value in (("Weight", 1.0), ("Scale", 0.0025), ("Radius", (1.0, 0.42, 0.24)), ("Anisotropy", 0.7)):
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
        inputs = {
            "Value": random,
            "From Min": grey - 0.02,
            "From Max": grey + 0.001,
            "To Min": 0.035,
            "To Max": melanin,
        }
        amount = self._node(tree, "ShaderNodeMapRange", inputs)
        tree.links.new(amount.outputs[0], fibre.inputs["Melanin"])
        for key, value in (
            ("Melanin Redness", redness * (1.0 - grey)),
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

    def cloth(
        self, name: str, colour: tuple[float, float, float], weave_per_metre: float, fuzz: float, kind: str
    ) -> Any:
        """Cloth: a weave in relief, small changes of colour, a sheen; plain, knit, rib, stripes, check or denim."""
        material, tree, shader = self._nodes(name)
        place = self._node(tree, "ShaderNodeTexCoord").outputs["Object"]
        tone = self._node(
            tree, "ShaderNodeTexNoise", {"Vector": place, "Scale": 45.0, "Detail": 9.0, "Roughness": 0.75}
        )
        spread = 0.35 if kind == "denim" else 0.16
        low, high = (np.array(colour) * (1 - spread), np.array(colour) * (1 + spread))
        mix = self._node(tree, "ShaderNodeMix", data_type="RGBA")
        tree.links.new(tone.outputs[0], mix.inputs["Factor"])
        mix.inputs[6].default_value, mix.inputs[7].default_value = (*low, 1.0), (*high, 1.0)
        paint = mix.outputs[2]
        if kind in ("stripes", "check"):
            for axis in ("Z", "X") if kind == "check" else ("Z",):
                bands = self._node(tree, "ShaderNodeTexWave", {"Vector": place, "Scale": 11.0, "Distortion": 0.0})
                bands.bands_direction = axis
                edge = {
                    "Value": bands.outputs["Fac"],
                    "From Min": 0.62,
                    "From Max": 0.68,
                    "To Min": 1.0,
                    "To Max": 0.42,
                }
                dark = self._node(tree, "ShaderNodeMapRange", edge).outputs[0]
                paint = self._node(tree, "ShaderNodeVectorMath", {0: paint, 1: dark}, operation="MULTIPLY").outputs[0]
        tree.links.new(paint, shader.inputs["Base Color"])
        if kind in ("knit", "rib"):
            height, depth, strength = self._stitches(tree, 1.7 / weave_per_metre, kind == "rib"), 0.0007, 0.7
        else:
            weave = self._node(tree, "ShaderNodeTexVoronoi", {"Vector": place, "Scale": weave_per_metre})
            height, depth, strength = weave.outputs["Distance"], 0.5 / weave_per_metre, 0.4
        inputs = {"Height": height, "Distance": depth, "Strength": strength}
        normal = self._node(tree, "ShaderNodeBump", inputs).outputs["Normal"]
        tree.links.new(normal, shader.inputs["Normal"])
        shader.inputs["Roughness"].default_value = 0.85
        shader.inputs["Specular IOR Level"].default_value = 0.25
        shader.inputs["Sheen Weight"].default_value = fuzz
        shader.inputs["Sheen Roughness"].default_value = 0.4
        return material

    def _stitches(self, tree: Any, width: float, rib: bool) -> Any:
        """Height of stitches `width` metres wide: columns of small slanted loops, or the ridges of ribbing."""

        def maths(operation: str, *values: Any) -> Any:
            return self._node(tree, "ShaderNodeMath", dict(enumerate(values)), operation=operation).outputs[0]

        across = maths("MULTIPLY", self._attribute(tree, "column").outputs["Fac"], 2 * np.pi / width)
        if rib:
            return maths("SINE", maths("MULTIPLY", across, 0.7))
        lean = maths("MULTIPLY", maths("SINE", maths("ADD", across, np.pi / 2)), 1.3)
        down = maths("MULTIPLY", self._attribute(tree, "row").outputs["Fac"], 2 * np.pi / (0.8 * width))
        loops = maths("SINE", maths("ADD", down, lean))
        return maths("ADD", maths("MULTIPLY", loops, 0.35), maths("MULTIPLY", maths("SINE", across), 0.5))

    def room(self, room: Room, floor: float) -> None:
        """Put a room around the person, its floor at height `floor`."""
        points, quads, colour, roughness, glow = room.arrays()
        material, tree, shader = self._nodes("room")
        place = self._node(tree, "ShaderNodeTexCoord").outputs["Object"]
        stain = self._node(tree, "ShaderNodeTexNoise", {"Vector": place, "Scale": 2.3, "Detail": 6.0, "Roughness": 0.7})
        tone = self._node(tree, "ShaderNodeMapRange", {"Value": stain.outputs[0], "To Min": 0.72, "To Max": 1.22})
        paint = self._attribute(tree, "colour").outputs["Color"]
        mix = self._node(tree, "ShaderNodeVectorMath", {0: paint, 1: tone.outputs[0]}, operation="MULTIPLY")
        tree.links.new(mix.outputs[0], shader.inputs["Base Color"])
        tree.links.new(self._attribute(tree, "roughness").outputs["Fac"], shader.inputs["Roughness"])
        tree.links.new(mix.outputs[0], shader.inputs["Emission Color"])
        tree.links.new(self._attribute(tree, "glow").outputs["Fac"], shader.inputs["Emission Strength"])
        moved = points + np.array([0.0, 0.0, floor])
        self.add_mesh("room", moved, quads, material, smooth=False, colour=colour, roughness=roughness, glow=glow)

    def light(self, eyes: Floats, room: Room) -> None:
        """Hang the room's lamps around the eyes' middle; let in its sky and sun."""
        for number, lamp in enumerate(room.lamps):
            self._lamp(f"lamp{number}", eyes, lamp)
        # a small light near the camera: what glints in eyes
        side = np.sign(room.lamps[0].place[0])
        self._lamp("glint", eyes, Lamp((side * 0.30, -1.25, 0.36), (0.20, 0.26), 3.5))
        if room.sun is not None:
            place, strength, colour = room.sun
            sun = self._bpy.data.lights.new("sun", "SUN")
            sun.energy, sun.color, sun.angle = strength, colour, 0.03
            self._aim("sun", sun, eyes + np.array(place), eyes)
        world = self._bpy.data.worlds.new("world")
        world.use_nodes = True
        world.node_tree.nodes["Background"].inputs[0].default_value = (*room.sky, 1.0)
        self._scene.world = world

    def _lamp(self, name: str, eyes: Floats, lamp: Lamp) -> None:
        light = self._bpy.data.lights.new(name, "AREA")
        light.shape, light.size, light.size_y = "RECTANGLE", *lamp.size
        light.energy, light.color = lamp.watts, lamp.colour
        thing = self._aim(name, light, eyes + np.array(lamp.place), eyes + np.array(lamp.target))
        thing.visible_camera = False

    def _aim(self, name: str, data: Any, place: Floats, target: Floats) -> Any:
        vector = importlib.import_module("mathutils").Vector
        thing = self._bpy.data.objects.new(name, data)
        thing.location = place.tolist()
        thing.rotation_euler = vector((target - place).tolist()).to_track_quat("-Z", "Y").to_euler()
        self._scene.collection.objects.link(thing)
        return thing

    def camera(self, eye: Floats, target: Floats, frame_width: float, focus: float, f_stop: float) -> None:
        """Look from `eye` at `target` (metres) with a frame `frame_width` metres wide there."""
        camera = self._bpy.data.cameras.new("camera")
        distance = float(np.linalg.norm(target - eye))
        camera.sensor_fit, camera.sensor_width = "HORIZONTAL", 36.0
        camera.lens = 36.0 * distance / frame_width
        camera.dof.use_dof, camera.dof.focus_distance, camera.dof.aperture_fstop = True, focus, f_stop
        camera.dof.aperture_blades = 9
        self._scene.camera = self._aim("camera", camera, eye, target)

    def render(self) -> Floats:
        """Linear light, float32 (H, W, 3), top row first."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "light.exr"
            self._scene.render.filepath = str(path)
            self._bpy.ops.render.render(write_still=True)
            image = self._bpy.data.images.load(str(path))
            width, height = image.size
            pixels = np.empty(width * height * 4, np.float32)
            image.pixels.foreach_get(pixels)
        return np.ascontiguousarray(pixels.reshape(height, width, 4)[::-1, :, :3])
