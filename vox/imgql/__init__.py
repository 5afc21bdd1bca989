"""The language: text in, plan out."""
