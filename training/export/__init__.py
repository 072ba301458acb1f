"""An adapter merged into a GGUF of its base, for Ollama."""
