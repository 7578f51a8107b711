"""What runs networks, each on one kind of hardware, and the one place that picks among them."""

from visavis_models.engines.choice import ENGINE_KINDS, GPU_ENGINE_KINDS, open_engine

__all__ = ["ENGINE_KINDS", "GPU_ENGINE_KINDS", "open_engine"]
