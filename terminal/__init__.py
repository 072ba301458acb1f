"""What a person sees: tables and colour on a terminal, plain text on a pipe, one object with --json."""
