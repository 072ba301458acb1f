"""Secrets out of text before it is stored: what is one, and what stands in its place."""
