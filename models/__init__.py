"""Which endpoint answers: a named one, a local Ollama or vLLM, or the small model that comes along."""
