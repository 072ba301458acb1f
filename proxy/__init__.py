"""The proxy between a coding agent and its model server: bytes in, bytes out, and one block of memory.

It knows nothing of stores and graphs: `parts.py` hands it a recall, which it may ask and may not wait for.
"""
