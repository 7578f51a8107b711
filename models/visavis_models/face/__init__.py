"""The face rig: fits a generic head to a portrait's landmarks and drives them by ARKit coefficients and head pose."""
