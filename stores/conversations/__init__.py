"""The only package that speaks Qdrant: the engine in this process (Qdrant Edge), or a Qdrant server.

`windows` is a multivector that is compared by its best window; `words` is sparse, and Qdrant multiplies the
IDF. Both forms are Collections (stores/collection.py): the same data in, the same data out.
"""
