"""What a run puts down about itself."""

import subprocess
import sys

import numpy as np

from dd_al.experiments.record import peak_rss_mb


def test_the_peak_of_memory_is_this_processs_own_and_grows_with_what_it_holds():
    before = peak_rss_mb()
    held = np.ones(40_000_000)  # 320 MB
    grown = peak_rss_mb()
    assert before <= grown and grown >= held.nbytes / 1e6
    program = "from dd_al.experiments.record import peak_rss_mb; print(peak_rss_mb())"
    child = subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.PIPE, text=True).stdout
    small = float(child)
    del held
    assert 20 < small and (sys.platform != "linux" or small < grown - 200)
