"""The gradient lens: measurements of one gradient, layer by layer."""
