"""The hands: run fragments, keep what they compute, serve it to peers."""
