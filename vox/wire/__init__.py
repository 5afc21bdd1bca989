"""The interpreters: between vox's own values and what travels."""
