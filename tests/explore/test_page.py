# SPDX-License-Identifier: GPL-2.0-only
"""A failure as a page: it needs nothing else, nothing that it shows acts, and it has all that the text has, and more.

Where IOPF_BROWSER names a Chromium, the page is opened in it: what its script makes is looked at, and that nothing else runs.
"""

import base64
import dataclasses
import hashlib
import html
import html.parser
import os
import re
import subprocess

import pytest

from iopf import scenarios
from iopf.explore import Scenario, explore
from iopf.explore.page import page
from iopf.explore.rows import Reading

BROWSER = os.environ.get("IOPF_BROWSER")

#: scenario, core: one of each shape that a page has to show
SHOWN = (
    ("remove-held-group", "v7.2"),  # a culprit pair of two tasks
    ("add-two-queues", "v6.14"),  # a work, a fold, a broken contract
    ("driver-lock", "locking"),  # a deadlock
    ("remove-group-late-report", "v6.9"),  # a lost response, preemptions
)
VOID = {"meta", "br"}


class Parsed(html.parser.HTMLParser):
    """Elements in order, with attributes and text; what is not closed, or closed twice, is an error."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.text = [], [], {}
        self.feed(text)
        self.close()
        assert [] == self.open

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append((tag, len(self.elements) - 1))

    def handle_endtag(self, tag):
        assert tag == self.open.pop()[0]

    def handle_data(self, data):
        for _, number in self.open:
            self.text[number] = self.text.get(number, "") + data

    def all(self, tag, **wanted):
        """Numbers of the elements of that kind with these attributes; class_ means one of its classes."""
        return [
            number
            for number, (name, attributes) in enumerate(self.elements)
            if name == tag
            and all(
                value in (attributes.get("class") or "").split()
                if key == "class_"
                else attributes.get(key.replace("_", "-")) == value
                for key, value in wanted.items()
            )
        ]


@pytest.fixture(scope="module", params=SHOWN, ids=[name for name, _ in SHOWN])
def failure(request):
    name, core = request.param
    return explore(scenarios.build(name), core=core).failure


@pytest.fixture
def hostile():
    """Everything that a user names has markup in it."""
    s = Scenario('</title><img src=x onerror=alert(1)> & "quoted"')
    queue = s.queue()
    dev = s.device(queue, handler="held", pasid=1)
    s.setup.report(dev, grpid=1, pasid=1)
    s.task("<script>alert(1)</script>").respond(dev, grpid=1, pasid=1)
    s.task('a" onclick="alert(1)').remove(queue, dev)
    return explore(s, core="v7.2").failure


def policy_of(parsed):
    ((_, attributes),) = [parsed.elements[n] for n in parsed.all("meta", http_equiv="Content-Security-Policy")]
    return {part.split()[0]: part.split()[1:] for part in attributes["content"].split(";")}


def test_a_page_needs_nothing_but_itself(failure):
    """It fetches nothing: no address but its own anchors; one style, one script and one block of data, whose hashes are all
    that the policy lets run."""
    text = failure.html()
    parsed = Parsed(text)
    for tag, attributes in parsed.elements:
        assert not {"src", "action", "data", "poster", "style"} & attributes.keys(), tag
        assert not [name for name in attributes if name.startswith("on")]
        assert (attributes.get("href") or "#").startswith("#") and tag not in ("link", "base", "iframe", "object")
    assert ["url(#"] == re.findall(r"url\(.", text) and "@import" not in text
    assert ["http://www.w3.org/2000/svg"] == re.findall(r"https?://[^\s\"'<)]+", text)
    policy = policy_of(parsed)
    assert ["'none'"] == policy.pop("default-src") == policy.pop("base-uri") == policy.pop("form-action")
    scripts = [number for number in parsed.all("script") if parsed.elements[number][1].get("type") is None]
    for name, numbers in (("style-src", parsed.all("style")), ("script-src", scripts)):
        (number,) = numbers
        digest = base64.b64encode(hashlib.sha256(parsed.text[number].encode()).digest()).decode()
        assert [f"'sha256-{digest}'"] == policy.pop(name)
    assert {} == policy


def test_what_the_text_has_is_in_the_page(failure):
    """What failed and why, what was required, whom the contract blames, every row, every site, the line to run it again."""
    parsed = Parsed(failure.html())
    (section,) = parsed.all("section")
    said = re.sub(r"\s+", " ", parsed.text[section])
    reading = Reading(failure)
    for wanted in (failure.kind, failure.message, failure.cause, failure.required, failure.scenario, failure.core,
                   failure.command, *failure.clauses, *failure.dropped):  # fmt: skip
        assert re.sub(r"\s+", " ", wanted) in said
    for row in reading.rows():
        assert re.sub(r"\s+", " ", row.text.replace(" -> ", " → ")) in said.replace(" -> ", " → "), row
    for site in failure.sites:
        if failure.kind != "data-race" or not site.memory:
            assert site.what in said and str(site.place or "") in said
    for index in reading.cause.steps:
        assert parsed.all("a", data_step=str(index + 1))


def test_every_step_has_a_row_once_and_the_text_s_are_the_visible_ones(failure):
    """Also those that are folded or left out: they can be opened. Names are unique."""
    parsed = Parsed(failure.html())
    rows = parsed.all("tr", class_="step")
    assert [str(index + 1) for index in range(len(failure.steps))] == [
        parsed.elements[row][1]["data-step"] for row in rows
    ]
    visible = {int(parsed.elements[row][1]["data-step"]) - 1 for row in rows if "hidden" not in parsed.elements[row][1]}
    assert visible == {row.index for row in Reading(failure).rows() if row.kind == "step"}
    names = [attributes["id"] for _, attributes in parsed.elements if "id" in attributes]
    assert len(names) == len(set(names))
    folds = parsed.all("button", aria_expanded="false")
    assert len(folds) == sum(row.kind == "fold" for row in Reading(failure).rows())
    for button in folds:
        name = parsed.elements[button][1]["data-fold"]
        assert parsed.all("tr", data_in=name)


def test_what_is_named_like_markup_is_text(hostile):
    """In the title, the heading, the columns, the attributes and the block of data."""
    text = hostile.html()
    parsed = Parsed(text)
    assert 2 == len(parsed.all("script")) and not parsed.all("img") and 1 == len(parsed.all("title"))
    heads = [parsed.text[number] for number in parsed.all("th", class_="task")]
    assert "<script>alert(1)</script>" in heads and 'a" onclick="alert(1)' in heads
    assert not [1 for _, attributes in parsed.elements if "onclick" in attributes]
    assert "</script" not in text.partition('id="iopf-sources">')[2].partition("</script>\n<script>")[0]


def test_a_page_of_nothing_says_so():
    """A pass is no empty page."""
    result = explore(scenarios.build("remove-held-group"), core="iopf")
    assert (
        "No failure." in page((), title="t")
        and "No failure." in result.html()
        and str(result) in html.unescape(result.html())
    )


def test_a_prediction_is_told_as_one(failure):
    """No execution came to it. The control: one that an execution showed."""
    predicted = Parsed(dataclasses.replace(failure, confirmed=False).html())
    assert (
        predicted.all("section", class_="prediction") and "no execution of this search came to it" in predicted.text[0]
    )
    assert not Parsed(failure.html()).all("section", class_="prediction")


def test_in_a_notebook_it_is_in_a_frame_of_its_own(failure, hostile):
    """Scripts run there and reach nothing outside; what stands around it is text."""
    for one in (failure, hostile):
        parsed = Parsed(one._repr_html_())
        ((_, attributes),) = [parsed.elements[number] for number in parsed.all("iframe")]
        assert "allow-scripts" == attributes["sandbox"] and one.html() == attributes["srcdoc"]
        assert not parsed.all("script") and not parsed.all("img")
        assert one.cause in parsed.text[0]
    assert "<iframe" not in explore(scenarios.build("remove-held-group"))._repr_html_()


def test_the_command_writes_pictures(run, tmp_path):
    """Beside what it prints; of a token, too."""
    page, trace = tmp_path / "failure page.html", tmp_path / "trace.json"
    code, output, errors = run(
        "explore", "remove-held-group", "--core", "v7.2", "--html", str(page), "--perfetto", str(trace)
    )
    assert (1, "") == (code, errors) and "late-response" in output
    Parsed(page.read_text())
    assert '"traceEvents"' in trace.read_text() and {page, trace} == set(tmp_path.iterdir())
    page.write_text("of an earlier run")
    code, _, _ = run("explore", "remove-held-group", "--html", str(page))
    assert 0 == code and "No failure." in page.read_text()


def test_a_picture_that_cannot_be_written_is_told_before_anything_is_explored(run, tmp_path, monkeypatch):
    """A folder, one that is not there, no name at all."""
    monkeypatch.setattr("iopf.explore.search.explore", lambda *_, **__: pytest.fail("explored"))
    for option in ("--html", "--perfetto"):
        for path in (str(tmp_path), str(tmp_path / "none" / "x"), ""):
            code, output, errors = run("explore", "partial", option, path)
            assert (2, "") == (code, output) and 1 == errors.count("\n") and option in errors


# --- the order of steps ---


def test_steps_follow_steps_of_other_tasks_and_nothing_is_said_twice(failure):
    """Earlier ones; at most one of each task; none that follows from another arrow and the order of each task."""
    steps = failure.steps
    for index, step in enumerate(steps):
        assert all(before < index and steps[before].column != step.column for before in step.follows)
        assert len({steps[before].column for before in step.follows}) == len(step.follows)
    direct = [set(step.follows) for step in steps]
    for index, step in enumerate(steps):
        own = [before for before in range(index) if steps[before].column == step.column and steps[before].point]
        for before in direct[index]:
            others = (direct[index] - {before}) | set(own[-1:])
            assert not any(leads_to(direct, steps, before, other) for other in others), (before, index)


def leads_to(direct, steps, first, last):
    """Does one step come before another by arrows and by the order of a task?"""
    seen, todo = set(), [last]
    while todo:
        at = todo.pop()
        if at == first:
            return True
        if at in seen or at < first:
            continue
        seen.add(at)
        todo += direct[at]
        todo += [before for before in range(at) if steps[before].column == steps[at].column and steps[before].point][
            -1:
        ]
    return False


def test_a_lock_comes_after_the_one_before_it():
    """v7.2's removal lets go of the param's lock, and the owner takes it: an arrow. The control: another lock, and none."""
    steps = explore(scenarios.build("remove-held-group"), core="v7.2").failure.steps
    takes = [index for index, step in enumerate(steps) if (step.op, step.object) == ("mutex_lock", "param#1.lock")]
    assert (
        2 == len(takes) and (takes[0],) == steps[takes[1]].follows and steps[takes[0]].column != steps[takes[1]].column
    )
    (other,) = [index for index, step in enumerate(steps) if (step.op, step.object) == ("mutex_lock", "queue#1.lock")]
    assert other not in {before for step in steps for before in step.follows}


def test_who_could_have_run_instead_is_said_at_points():
    """Who was preempted is among them; who is over, or waits for a lock, is not."""
    failure = explore(scenarios.build("remove-group-late-report"), core="v6.9").failure
    preempted = [(index, step) for index, step in enumerate(failure.steps) if step.preempted]
    for index, step in preempted:
        assert failure.steps[index - 1].task in step.others
    assert any(step.others for step in failure.steps)
    assert not [step for step in failure.steps if step.others and not step.point]
    assert not [step for step in failure.steps if step.task in step.others]
    deadlock = explore(scenarios.build("driver-lock"), core="locking").failure
    points = [step for step in deadlock.steps if step.point]
    assert () == points[-1].others  # whoever else there is waits


# --- in a browser ---

browser = pytest.mark.skipif(BROWSER is None, reason="IOPF_BROWSER names a Chromium")


def allowed(text, script):
    """A page whose policy lets one more script run."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    text = text.replace("script-src ", f"script-src &#x27;sha256-{digest}&#x27; ", 1)
    return text.replace("</body>", f"<script>{script}</script></body>")


@pytest.fixture
def shown(tmp_path):
    """``shown(html, address="")``: the page as the browser has it when its scripts have run."""

    def shown(text, address=""):
        path = tmp_path / "page.html"
        path.write_text(text)
        command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
                   "--window-size=1280,1400", "--virtual-time-budget=2000"]  # fmt: skip
        done = subprocess.run(
            [*command, "--dump-dom", f"{path.as_uri()}{address}"], capture_output=True, text=True, timeout=120
        )
        assert 0 == done.returncode, done.stderr
        return Parsed(done.stdout)

    return shown


def title(parsed):
    return parsed.text.get(parsed.all("title")[0], "")


def detail(parsed):
    (number,) = parsed.all("aside")
    return parsed.text.get(number, "")


@browser
def test_the_failure_is_chosen_and_told(shown, failure):
    """The page's own script runs under its policy: the detail has the step at which it fails, and the arrow of the pair."""
    parsed = shown(failure.html())
    end = Reading(failure).end
    assert f"Step {end + 1}: {failure.steps[end].task}" in detail(parsed)
    assert bool(failure.culprit) == bool(parsed.all("path", class_="culprit"))


@browser
def test_an_address_chooses_a_step_whatever_hides_it(shown):
    """Of each fold and of what is left out."""
    failure = explore(scenarios.build("add-two-queues"), core="v6.14").failure
    parsed = Parsed(failure.html())
    hidden = [
        parsed.elements[row][1]["data-step"]
        for row in parsed.all("tr", class_="step")
        if "hidden" in parsed.elements[row][1]
    ]
    for step in (hidden[0], hidden[-1]):
        after = shown(failure.html(), f"#f1-s{step}")
        assert f"Step {step}:" in detail(after)
        (row,) = after.all("tr", data_step=step)
        assert "hidden" not in after.elements[row][1] and "step" == after.elements[row][1]["aria-current"]


@browser
def test_keys_go_from_step_to_step_and_draw_every_arrow(shown):
    """Down, up, the ends, the same task, all arrows, every event; what is told follows."""
    failure = explore(scenarios.build("remove-held-group"), core="v7.2").failure
    press = """
      const row = () => document.querySelector("tr.chosen");
      const said = [];
      for (const key of ["Home", "ArrowDown", "j", "k", "ArrowUp", "End", "p", "n", "a", "e", "Home"]) {
        row().dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true}));
        said.push(row().dataset.step);
      }
      document.title = said.join(" ") + "|" + document.querySelectorAll("tr.step:not([hidden])").length + "|" +
        document.querySelectorAll(".trace svg > path").length;
    """
    parsed = shown(allowed(failure.html(), press))
    said, rows, arrows = title(parsed).split("|")
    visible = [row.index + 1 for row in Reading(failure).rows() if row.kind == "step"]
    own = [step for step in visible if failure.steps[step - 1].column == failure.steps[visible[-1] - 1].column]
    walk = [
        visible[0],
        visible[1],
        visible[2],
        visible[1],
        visible[0],
        visible[-1],
        own[-2],
        own[-1],
        own[-1],
        own[-1],
        1,
    ]
    assert walk == [int(step) for step in said.split()]
    assert len(failure.steps) == int(rows)
    assert sum(len(step.follows) for step in failure.steps) + 1 == int(arrows)


@browser
@pytest.mark.parametrize("width", [1240, 400])
def test_nothing_is_wider_than_the_window(shown, failure, width):
    """On the screen of a laptop and of a telephone: in a frame of that width, since no window is as narrow."""
    measure = (
        "const page = frames[0].document.documentElement; document.title = page.scrollWidth + ' ' + page.clientWidth"
    )
    parsed = shown(
        f"<!DOCTYPE html><html><head><title></title></head><body><script>addEventListener('load', () => {{ {measure} }});</script>"
        f'<iframe width="{width}" height="900" frameborder="0" srcdoc="{html.escape(failure.html())}"></iframe></body></html>'
    )
    needed, there = map(int, title(parsed).split())
    assert needed <= there and width - 20 <= there <= width


@browser
def test_no_other_script_runs_and_nothing_is_fetched(shown, failure):
    """The control: what a mistake in the page, or a mail gateway, would put in does not act. And the test's own, allowed, does."""
    script = "document.title = 'ran'"
    assert "ran" != title(shown(failure.html().replace("</body>", f"<script>{script}</script></body>")))
    assert "ran" == title(shown(allowed(failure.html(), script)))
