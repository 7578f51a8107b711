"""Colours that people really wear, by what a cloth is for. Knows nothing of patterns or of light."""

from __future__ import annotations

PALETTES: dict[str, tuple[tuple[str, float], ...]] = {
    "casual": (("f2f0ec", 1.5), ("1b1b1d", 1.7), ("8c8f92", 1.1), ("4a4d52", 0.8), ("232c44", 1.3), ("c9c2b4", 0.5),
               ("7a1f2b", 0.5), ("31503c", 0.5), ("5d6b46", 0.4), ("3d6aa3", 0.5), ("9dbad6", 0.5), ("b3392f", 0.4),
               ("d8a13a", 0.3), ("c9788a", 0.35), ("e6c9c9", 0.35), ("5b3f63", 0.25), ("2d7f86", 0.3),
               ("a65b34", 0.25), ("e9dfc9", 0.4), ("6f4e3a", 0.3)),
    "shirt": (("f4f4f2", 3.0), ("bfd3e8", 1.5), ("e9eef4", 1.0), ("24304a", 0.6), ("1d1d1f", 0.5), ("e8cfd0", 0.4),
              ("8fa7c4", 0.6), ("d6d0bf", 0.4), ("4b6b8f", 0.4), ("6a7a5c", 0.3), ("6d1f2c", 0.2)),
    "strong": (("7e2226", 1.0), ("24384f", 1.0), ("2f4a36", 0.8), ("3a3a3c", 0.7), ("a5742e", 0.3), ("cfc6b4", 0.3)),
    "soft": (("efe6da", 1.0), ("d9b9b0", 0.6), ("1c1c20", 0.9), ("7b2335", 0.5), ("24405c", 0.5), ("3d5a4a", 0.4),
             ("c9a66b", 0.3), ("b7c4cf", 0.5), ("f4f2ee", 0.9)),
    "denim": (("3a4f6e", 1.2), ("29384f", 1.0), ("6f8fb3", 0.7), ("93abc6", 0.4), ("232427", 0.5)),
    "workwear": (("55543f", 1.0), ("8a7a5c", 0.9), ("25282d", 1.1), ("2b3850", 0.9), ("5f4736", 0.5),
                 ("a9a089", 0.4)),
    "leather": (("17171a", 2.0), ("3b2419", 0.8), ("5c3a24", 0.5), ("22252b", 0.4)),
    "knitwear": (("efe9dc", 1.0), ("26304a", 1.1), ("8a8b8d", 0.9), ("48494d", 0.8), ("1d1d1f", 0.8),
                 ("6e2430", 0.6), ("3c5443", 0.6), ("b98a54", 0.5), ("d2b9a3", 0.6), ("9aa9b8", 0.4),
                 ("c8a0a0", 0.4), ("c26a32", 0.2), ("d9b23f", 0.2), ("5b4636", 0.4)),
    "suiting": (("222a3d", 1.6), ("2b2c30", 1.5), ("18191c", 0.9), ("595c63", 0.8), ("39445c", 0.6), ("6b5a49", 0.3),
                ("b7a88f", 0.25), ("8b8f98", 0.3)),
    "tweed": (("6f6351", 1.0), ("55584e", 0.8), ("7c7a76", 0.8), ("4a4038", 0.7)),
    "ties": (("1f2b4a", 1.2), ("6d1a25", 1.0), ("202022", 0.5), ("2e4d3f", 0.4), ("54366b", 0.3), ("7d8794", 0.5),
             ("2f5f93", 0.5), ("a33b2f", 0.3)),
    "buttons": (("efece4", 1.4), ("2a2522", 0.8), ("5a4534", 0.4), ("8a8880", 0.4)),
}  # fmt: skip
"""Colours in sRGB with their shares."""
BRIGHTEST = 0.5
"""No cloth that is worn returns more light than this."""


def linear_colour(code: str) -> tuple[float, float, float]:
    """Linear reflectance of a colour in sRGB, given as six hexadecimal digits."""
    values = [int(code[k : k + 2], 16) / 255 for k in (0, 2, 4)]
    r, g, b = (BRIGHTEST / 0.87 * (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4) for v in values)
    return r, g, b
