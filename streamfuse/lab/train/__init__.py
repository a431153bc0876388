"""Training of the networks that ship: data, losses and the loop, nothing that fusing needs."""
