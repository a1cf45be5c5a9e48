"""deltarule: backpropagation you can read, at the speed of the machine."""
