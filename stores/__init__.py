"""What is remembered and how it is found: embeddings, ranking, and one verified folder on disk."""
