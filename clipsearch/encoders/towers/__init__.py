"""The two transformers of a model, run without torch: numpy for texts, OpenVINO for pictures."""
