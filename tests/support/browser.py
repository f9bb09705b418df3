"""A headless Chromium for tests of pages. Where it is missing, such tests are skipped, but not in CI.

In: a folder for screenshots. Out: a driver that keeps what the page's console says.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Any

import pytest

from tests.support.paths import ROOT

BINARY = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), "")
DRIVER = shutil.which("chromedriver") or ""
needs_browser = pytest.mark.skipif(
    not (BINARY and DRIVER) and not os.environ.get("CI"), reason="chromium and chromedriver are not installed"
)
SHOTS = ROOT / "build" / "screenshots"
"""Kept for people to look at."""


@contextmanager
def browser(width: int = 1200, height: int = 900, *, dark: bool = False) -> Iterator[Any]:
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    options = Options()
    options.binary_location = BINARY
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        look(driver, width, height, dark=dark)
        yield driver
    finally:
        driver.quit()


def look(driver: Any, width: int, height: int, *, dark: bool) -> None:
    """From here on the window is so large, and its light is so."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
    scheme.append({"name": "prefers-reduced-motion", "value": "reduce"})
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})


def console(driver: Any) -> list[str]:
    """What the page's console said."""
    return [entry["message"] for entry in driver.get_log("browser")]


def faults(driver: Any) -> list[str]:
    """What of WCAG 2.1 A and AA axe finds wanting, with all that folds unfolded."""
    driver.execute_script("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    driver.execute_script((files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8"))
    found: list[str] = driver.execute_async_script(AXE)
    return found


AXE = """
const done = arguments[0];
const wanted = { runOnly: { type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"] } };
axe.run(document, wanted).then((told) => done(told.violations.map((each) =>
  each.id + ": " + each.nodes.slice(0, 3).map((node) => node.target.join(" ")).join(", "))));
"""


def shot(driver: Any, name: str) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    driver.save_screenshot(str(SHOTS / f"{name}.png"))


CONTRAST = """
const read = (c) => c.match(/[\\d.]+/g).map(Number);
const light = (c) => { const [r, g, b] = read(c).slice(0, 3).map((v) => { v /= 255;
  return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
const found = [];
for (const element of document.querySelectorAll("body *")) {
  const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
  const out = element.closest("svg") || element.disabled || element.className === "skip";
  if (!own || out || !element.getClientRects().length) continue;
  let back = element;
  const clear = /rgba\\(0, 0, 0, 0\\)|transparent|color\\(/;
  while (back && clear.test(getComputedStyle(back).backgroundColor)) back = back.parentElement;
  const a = light(getComputedStyle(element).color);
  const b = light(getComputedStyle(back || document.body).backgroundColor);
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (ratio < 4.5) found.push(element.tagName + " " + element.className + " " + ratio.toFixed(2));
}
return found;
"""
"""Every text with less than WCAG AA's 4.5:1."""
