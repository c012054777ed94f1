"""The tuning page in a real Airflow: signed in or not, while a job runs, and in a real browser."""

import shutil
from collections.abc import Iterator
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.remote.webelement import WebElement

from tests.airflow.plugin.pages import Page
from tests.standalone.conftest import ADMIN, PASSWORD, Airflow, Run, until
from tests.standalone.local_jobs import LocalJobs

pytestmark = pytest.mark.standalone

BROWSERS = ("chromium", "google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--window-size=1400,1000",
)  # fmt: skip
RADIUS = "getComputedStyle(document.querySelector('.card')).borderRadius"
RECOLOUR = "const all = document.documentElement.classList; all.remove(arguments[0]); all.add(arguments[1])"
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
    url = until(lambda: run.links()["Tuning page"], what="the button leads somewhere")  # training can be quicker
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


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebDriver]:
    """A real browser without a window."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.fail(f"There is no browser here ({', '.join(BROWSERS)}); `make browser` installs one.")
    options = webdriver.ChromeOptions()
    options.binary_location = found
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('browser')}"):
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

        def look() -> WebElement | None:
            try:
                return next((each for each in self.all(selector) if each.is_displayed() and text in each.text), None)
            except StaleElementReferenceException:  # the page has changed while it was looked at
                return None

        found: WebElement = until(look, seconds=60, what=f"{selector} {text!r} is seen")
        return found

    def click(self, selector: str, text: str = "") -> None:
        self.see(selector, text).click()

    def sign_in(self) -> None:
        self.open("/")
        self.see("input[name='username']").send_keys(ADMIN)
        self.see("input[name='password']").send_keys(PASSWORD)
        self.click("button[type='submit']")
        self.see("button", "Browse")

    def enter(self) -> None:
        """Go on within the frame."""
        self.leave()
        self.driver.switch_to.frame(self.see(FRAME))

    def leave(self) -> None:
        self.driver.switch_to.default_content()

    def complaints(self) -> list[str]:
        """Return the errors that the pages of this package have caused."""
        logged = self.driver.get_log("browser")
        return [each["message"] for each in logged if each["level"] == "SEVERE" and "/hpt/" in each["message"]]


@pytest.fixture(scope="module")
def window(airflow: Airflow, browser: WebDriver) -> Window:
    """A window of somebody who is signed in."""
    opened = Window(browser, f"http://127.0.0.1:{airflow.port}")
    opened.sign_in()
    return opened


def tuned(airflow: Airflow, local: LocalJobs) -> tuple[Run, str]:
    """Run a DAG to its end; return the run and its tuning job."""
    run = airflow.start("short")
    run.await_state("success")
    (job,) = local.jobs()
    return run, job["HyperParameterTuningJobName"]


def test_a_browser_gets_from_the_menu_to_the_training_jobs(airflow: Airflow, local: LocalJobs, window: Window) -> None:
    run, job = tuned(airflow, local)
    window.open("/")
    window.click("button", "Browse")
    window.click("[role='menuitem']", "Tuning jobs")
    window.enter()
    window.click("tbody th a", job)
    window.see("h1", job)
    assert "Completed" in window.see("tr.best").text
    assert len(window.all("section[aria-labelledby='training-jobs'] tbody tr")) == 2
    assert len(window.all("svg.chart circle.completed")) == 2
    assert window.driver.execute_script(f"return {RADIUS}") == "8px"  # the style sheet is in force

    # A page of Airflow opens in the whole window, and not in the frame.
    window.click("dd a[data-outside]", run.run)
    window.leave()
    until(lambda: f"/dags/short/runs/{run.run}" in window.driver.current_url, what="the window shows the run")
    assert window.complaints() == []


def test_a_browser_gets_from_a_task_to_its_tuning_job(airflow: Airflow, local: LocalJobs, window: Window) -> None:
    run, job = tuned(airflow, local)
    window.open(f"/dags/short/runs/{run.run}/tasks/tune/details")
    window.click("a", "Tuning page")
    window.driver.switch_to.window(window.driver.window_handles[-1])  # a new one before Airflow 3.3
    window.enter()
    window.see("h1", job)
    window.leave()
    for path in (f"/runs/{run.run}/tasks/tune/plugin/tuning-task-instance", f"/runs/{run.run}/plugin/tuning-dag-run"):
        window.open(f"/dags/short{path}")
        window.enter()
        window.see("h1, tbody th a", job)
        window.leave()
    window.open("/dags/short/plugin/tuning-dag")
    window.enter()
    window.see("tbody th a", job)
    window.leave()
    assert window.complaints() == []


def test_a_page_in_the_frame_follows_the_job_and_airflow_s_colours(
    airflow: Airflow, local: LocalJobs, window: Window
) -> None:
    run = airflow.start("ended")
    run.await_state("deferred")
    until(lambda: local.training_statuses() == ["InProgress"] * 2, what="both training jobs run")
    window.driver.get(str(run.links()["Tuning page"]))
    window.enter()
    window.see("h1", "InProgress")
    for old, new in (("dark", "light"), ("light", "dark")):
        window.leave()
        window.driver.execute_script(RECOLOUR, old, new)
        window.enter()
        window.see(f"html[data-theme='{new}']")
    local.stop_all()
    window.see("h1", "Stopped")
    window.leave()
    assert window.complaints() == []
