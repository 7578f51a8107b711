"""Portraits of people who do not exist: shape, skin, eyes, hair, clothes, light and lens, all made from a seed."""
