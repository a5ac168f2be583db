"""Trains Coalmine's example models and publishes them as version folders under models/."""
