"""A path in, quotable LangChain documents out: PDF and TXT files, whole or broken."""
