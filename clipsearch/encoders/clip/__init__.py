"""Plain CLIP models, run without torch: numpy for texts, OpenVINO for pictures."""
