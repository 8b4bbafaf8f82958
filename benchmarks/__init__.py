"""This engine, its peers and the raw limit, side by side in one run. See README.md beside this file."""
