"""The full-screen search, and pictures in terminals."""
