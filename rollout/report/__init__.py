"""What people and programs read. Values of `model` become lines of text, JSON or pictures; nothing is decided here."""
