"""An approximate index beside the segments: derived from them, measured, and never needed."""
