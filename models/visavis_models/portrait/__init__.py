"""A photo becomes an avatar: decoding, face, head pose, body, matte and background, and where avatars are kept."""
