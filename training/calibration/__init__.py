"""Calibrating `match`: queries with known answers, the fit, the measures and the picture of training/calibrate.py."""
