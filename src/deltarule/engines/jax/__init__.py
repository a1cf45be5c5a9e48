"""The JAX engine: the formulas of ``maths`` and ``optimizers``, compiled by XLA.

``program.py`` has the functions that are compiled, ``engine.py`` the engine, ``many.py`` steps of
many networks at once, ``devices.py`` where they run: on CPU, GPU or TPU. Nothing here is imported
before the engine is asked for.
"""
