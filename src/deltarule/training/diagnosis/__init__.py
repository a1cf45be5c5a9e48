"""Diagnosis: measurements of a network and its gradient, advice on them, and the guard of a run."""
