"""Traces: where one window of an avatar's life spends its time, from the voice's arrival to the last packet sent."""
