"""The head: decides what runs where, remembers what was asked, answers over HTTP."""
