"""The neighbourhood: who the other machines are, and how results travel between them."""
