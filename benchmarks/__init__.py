"""Studies of speed and accuracy; they run from a checkout and are not part of the package."""
