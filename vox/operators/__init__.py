"""The catalogue: values, their encoding, and every operator by family."""
