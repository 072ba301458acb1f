"""The session logs of coding agents: Mistral Vibe, every version, and JSON lines of OpenAI messages."""
