"""Nothing is sent anywhere: not by us, and not by what we build on."""

import os
import subprocess
import sys

import pytest


@pytest.mark.skipif(sys.platform != "linux", reason="looks for what ONNX Runtime's reporter leaves behind on Linux")
def test_the_embedded_models_runtime_reports_to_nobody(tmp_path):
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("ORT_", "CI", "GITHUB_", "PYTEST"))
    }
    for name in ("TMPDIR", "HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
        kept[name] = str(tmp_path)
    code = "import clipsearch; clipsearch.load_encoder('mini').encode_texts(['a dog'])"
    subprocess.run([sys.executable, "-c", code], env=kept, check=True, capture_output=True)
    assert not [path.name for path in tmp_path.iterdir()]  # the reporter keeps an identifier in one of them
