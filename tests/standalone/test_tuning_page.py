"""The tuning page in a real Airflow: signed in or not, while a job runs, and in a real browser."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.remote.webelement import WebElement

from tests.airflow.plugin.pages import Page
from tests.standalone.conftest import ADMIN, PASSWORD, Airflow, until
from tests.standalone.local_jobs import LocalJobs

pytestmark = pytest.mark.standalone

BROWSERS = ("chromium", "google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--window-size=1400,1000",
)  # fmt: skip
FRAME = "iframe[title='Tuning jobs']"


def fetch(url: str, token: str = "") -> tuple[int, str]:
    """Return what an address answers."""
    request = Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    try:
        with urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()


def inner(url: str) -> str:
    """Return the address of the page that an address of Airflow's interface frames."""
    return url.replace("/plugin/tuning", "", 1)


@pytest.mark.parametrize(("dag", "state"), [("ended", "deferred"), ("guarded", "running")])
def test_the_button_leads_to_the_page_while_the_job_runs(
    airflow: Airflow, local: LocalJobs, dag: str, state: str
) -> None:
    run = airflow.start(dag)
    run.await_state(state)
    until(lambda: local.training_statuses() == ["InProgress"] * 2, what="both training jobs run")
    url = run.links()["Tuning page"]
    assert url
    assert fetch(inner(url))[0] == 401
    assert fetch(inner(url), "no token")[0] in (401, 403)
    status, html = fetch(inner(url), airflow.token)
    (job,) = local.jobs()
    assert (status, job["HyperParameterTuningJobName"] in html) == (200, True)
    assert "2 running" in Page(html).text
    run.mark("failed")


def test_pages_are_below_airflow_s_own_address_and_closed(airflow: Airflow) -> None:
    base = f"http://127.0.0.1:{airflow.port}"
    for path in ("/hpt/", "/hpt/style.css", "/hpt/jobs/x", "/hpt/docs", "/hpt/openapi.json", "/hpt/no/such/page"):
        assert fetch(f"{base}{path}")[0] == 401
    assert fetch(f"{base}/hpt/", airflow.token)[0] == 200


def test_airflow_lists_the_plugin_and_has_no_complaint(airflow: Airflow) -> None:
    base = f"http://127.0.0.1:{airflow.port}/api/v2/plugins"
    status, plugins = fetch(base, airflow.token)
    assert (status, plugins.count('"tuning-task-instance"')) == (200, 1)
    assert '"total_entries":0' in fetch(f"{base}/importErrors", airflow.token)[1]


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[WebDriver]:
    """A real browser without a window."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.fail(f"There is no browser here ({', '.join(BROWSERS)}); `make browser` installs one.")
    options = webdriver.ChromeOptions()
    options.binary_location = found
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for flag in (*FLAGS, f"--user-data-dir={tmp_path}"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    driver.set_page_load_timeout(60)
    yield driver
    driver.quit()


class Window:
    """A browser's window as somebody uses it."""

    def __init__(self, driver: WebDriver, base: str) -> None:
        self.driver = driver
        self.base = base

    def open(self, path: str) -> None:
        self.driver.get(f"{self.base}{path}")

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def see(self, selector: str, text: str = "") -> WebElement:
        """Wait for something that can be seen and says this."""

        def look() -> Any:
            return next((each for each in self.all(selector) if each.is_displayed() and text in each.text), None)

        found: WebElement = until(lambda: self._steady(look), seconds=60, what=f"{selector} {text!r} is seen")
        return found

    def click(self, selector: str, text: str = "") -> None:
        self.see(selector, text).click()

    def sign_in(self) -> None:
        self.open("/")
        self.see("input[name='username']").send_keys(ADMIN)
        self.see("input[name='password']").send_keys(PASSWORD)
        self.click("button[type='submit']")
        self.see("[data-testid='nav-sidebar'], nav, #root a[href='/dags']")

    def enter(self) -> None:
        """Go on within the frame."""
        self.driver.switch_to.default_content()
        self.driver.switch_to.frame(self.see(FRAME))

    def leave(self) -> None:
        self.driver.switch_to.default_content()

    def complaints(self) -> list[str]:
        """Return the errors that the pages of this package have caused."""
        logged = self.driver.get_log("browser")
        return [each["message"] for each in logged if each["level"] == "SEVERE" and "/hpt/" in each["message"]]

    @staticmethod
    def _steady(look: Any) -> Any:
        from selenium.common.exceptions import StaleElementReferenceException

        try:
            return look()
        except StaleElementReferenceException:  # the page has changed while it was looked at
            return None


def test_a_browser_shows_the_pages_in_airflow_s_frame(airflow: Airflow, local: LocalJobs, browser: WebDriver) -> None:
    run = airflow.start("short")
    run.await_state("success")
    (job,) = [each["HyperParameterTuningJobName"] for each in local.jobs()]
    window = Window(browser, f"http://127.0.0.1:{airflow.port}")
    window.sign_in()

    # From the menu to the tuning job, and to its training jobs.
    window.click("button", "Browse")
    window.click("[role='menuitem']", "Tuning jobs")
    window.enter()
    window.click("tbody th a", job)
    window.see("h1", job)
    best = window.see("tr.best")
    assert "Completed" in best.text
    assert len(window.all("#main section[aria-labelledby='training-jobs'] tbody tr")) == 2
    assert len(window.all("svg.chart circle.completed")) == 2
    assert browser.execute_script("return getComputedStyle(document.querySelector('.card')).borderRadius") == "8px"

    # The frame follows Airflow's choice of colours, and leads out of itself only by a link into Airflow.
    window.leave()
    browser.execute_script(
        "document.documentElement.classList.remove('light');document.documentElement.classList.add('dark')"
    )
    window.enter()
    window.see("html[data-theme='dark']")
    window.click("dd a[data-outside]", run.run)
    window.leave()
    until(lambda: f"/dags/short/runs/{run.run}" in browser.current_url, what="the window shows the run")
    assert window.complaints() == []


def test_a_browser_gets_from_a_task_to_its_tuning_job(airflow: Airflow, local: LocalJobs, browser: WebDriver) -> None:
    run = airflow.start("short")
    run.await_state("success")
    (job,) = [each["HyperParameterTuningJobName"] for each in local.jobs()]
    window = Window(browser, f"http://127.0.0.1:{airflow.port}")
    window.sign_in()

    # By the button, whose address names the page that the frame is to show; and by the task's tab.
    browser.get(str(run.links()["Tuning page"]))
    window.enter()
    window.see("h1", job)
    window.leave()
    window.open(f"/dags/short/runs/{run.run}/tasks/tune/plugin/tuning-task-instance")
    window.enter()
    window.see("h1", job)
    window.leave()
    window.open("/dags/short/plugin/tuning-dag")
    window.enter()
    window.see("tbody th a", job)
    assert window.complaints() == []
