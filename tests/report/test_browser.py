"""Reports in a real browser: no error, no request, nothing wider than the screen."""

import re
import shutil
import subprocess

import pytest

from dd_al.report import compare

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")]
FAR = {
    "full": {"all": 0.9}, "random": {"0.1%": 0.55, "1%": 0.6, "5%": 0.7}, "bald": {"1%": 0.6, "5%": 0.85},
    "distilled": {"0.1%": 0.84},
}  # fmt: skip
WIDEST = """<script>document.title = "width " + document.documentElement.scrollWidth</script>"""


@pytest.fixture(scope="module")
def page(fake_comparison, tmp_path_factory):
    folder = fake_comparison(tmp_path_factory.mktemp("comparison"), FAR, seeds=3)
    compare.write(folder, compare.gather([folder], command="again"))
    return folder / "report.html"


def chromium(page, folder, *flags, width=1200):
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}",
        "--enable-logging=stderr", "--hide-scrollbars", f"--window-size={width},900", *flags, page.as_uri(),
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_it_opens_without_an_error_and_asks_nobody(page, tmp_path):
    log = tmp_path / "net.json"
    done = chromium(page, tmp_path, "--dump-dom", f"--log-net-log={log}")
    assert "Random sampling" in done.stdout and done.returncode == 0
    assert "CONSOLE" not in done.stderr
    asked = set(re.findall(r'"url":"(https?://[^"]*)"', log.read_text()))
    ours = {url for url in asked if "google" not in url and "gvt1" not in url}  # the browser's own updates
    assert not ours
    assert page.stat().st_size < 5e6


@pytest.mark.parametrize("width", [1200, 500])
def test_nothing_is_wider_than_the_screen(page, tmp_path, width):
    # The policy in the page forbids scripts, this one too: it is taken out of a copy.
    copy = tmp_path / "copy.html"
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text())
    copy.write_text(text.replace("</body>", WIDEST + "</body>"))
    done = chromium(copy, tmp_path, "--dump-dom", width=width)
    found = re.search(r"<title>width (\d+)</title>", done.stdout)
    assert found and int(found[1]) <= width


@pytest.mark.parametrize("flags", [(), ("--blink-settings=preferredColorScheme=0",)], ids=["light", "dark"])
def test_it_is_drawn_in_light_and_dark(page, tmp_path, flags):
    picture = tmp_path / "shot.png"
    chromium(page, tmp_path, f"--screenshot={picture}", *flags)
    assert picture.stat().st_size > 20_000


def test_it_prints(page, tmp_path):
    paper = tmp_path / "report.pdf"
    chromium(page, tmp_path, f"--print-to-pdf={paper}")
    assert paper.read_bytes().startswith(b"%PDF") and paper.stat().st_size > 20_000
