"""Studies of speed and accuracy; they are run from a checkout and are not part of the package."""
