"""Derivation trees as text, LaTeX and HTML."""
