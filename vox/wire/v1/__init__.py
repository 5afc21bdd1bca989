"""Generated from proto/vox/wire/v1 by proto/generate.sh; never edited."""
