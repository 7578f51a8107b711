"""Several processes behind one address: one for each card, or so many on the processor.

The front takes every request and hands it to the worker whose session it is about; voice and pictures go to the workers
themselves. Knows nothing of what workers do.
"""
