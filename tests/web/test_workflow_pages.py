"""The pages of workflows as a browser without a script sees them."""

import html
import json
import re
from typing import Any

import pytest

from shared import jobs, library, workflow_listing, workflows
from shared.job import JobState
from shared.steps import Asked
from shared.workflow import PlannedStep, Workflow
from tests.web.conftest import Visitor
from tests.web.driving import Driver
from web.pages.json_places import line_of
from web.pages.workflow_graph import HEIGHT, WIDTH, graph
from web.pages.workflow_starts import starts, written

NASTY = '<script>alert("1")</script>'
STEPS: list[dict[str, Any]] = [
    {"name": "write", "kind": "generate_text", "params": {"prompt": NASTY}},
    {"name": "paint", "kind": "generate_image", "params": {"prompt": {"from": "write"}}},
    {"name": "read", "kind": "generate_speech", "params": {"text": {"from": "write"}}},
    {"name": "again", "kind": "generate_text", "params": {"prompt": "x"}, "depends_on": ["paint", "read"]},
]


def submit(driver: Driver, steps: list[dict[str, Any]] = STEPS, title: str = "A small film") -> Workflow:
    asked = Asked.model_validate({"title": title, "steps": steps})
    return workflows.submit(driver.db, driver.owner, asked).workflow


def main(text: str) -> str:
    return text.split("<main")[1].split("</main>")[0]


# ---- the list -------------------------------------------------------------------------------------------------------


def test_without_workflows_there_is_one_button(mine: Visitor) -> None:
    text = main(mine.get("/workflows").text)
    assert "No workflows yet" in text
    assert re.findall(r'class="button[^"]*" href="([^"]+)"', text) == ["/workflows/new"]
    assert mine.get("/workflows/").request.path == "/workflows"


def test_the_list_is_newest_first_and_pages_by_cursor(
    mine: Visitor, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.pages.workflows.PAGE", 2)
    made = [submit(driver, title=f"number {number}") for number in range(3)]
    driver.finish(driver.claim())
    text = mine.get("/workflows").text
    assert made[0].id not in text
    assert text.index(made[2].id) < text.index(made[1].id)
    assert "0 of 4 steps done" in text
    older = re.search(r'href="(/workflows\?cursor=[^"]+)"', text)
    assert older is not None
    assert "1 of 4 steps done" in mine.get(older[1]).text
    assert mine.get("/workflows?cursor=odd").status_code == 422
    assert "No older workflows" in mine.get(f"/workflows?cursor={made[0].id}").text


@pytest.mark.parametrize("page", ["list", "one"])
def test_a_poll_answers_204_until_something_changes(mine: Visitor, driver: Driver, page: str) -> None:
    workflow = submit(driver)

    def poll() -> tuple[int, int]:
        text = mine.get("/workflows" if page == "list" else f"/workflows/{workflow.id}").text
        found = re.search(r'data-poll="([^"]+)"', text)
        assert found is not None
        address = found[1].replace("&amp;", "&")
        before = mine.get(address).status_code
        driver.finish(driver.claim())
        return before, mine.get(address).status_code

    # A minute may end between two of the requests.
    assert (204, 200) in [poll(), poll()]


# ---- one workflow ---------------------------------------------------------------------------------------------------


def test_the_page_shows_the_graph_and_what_each_step_waits_for(mine: Visitor, driver: Driver) -> None:
    workflow = submit(driver)
    text = main(mine.get(f"/workflows/{workflow.id}").text)
    assert NASTY not in text
    assert text.count("<foreignObject") == 4
    assert text.count("<path class=") == 4
    listed = text.split('class="steps"')[1]
    assert [listed.index(f'id="step-{n}"') for n in range(1, 5)] == sorted(
        listed.index(f'id="step-{n}"') for n in range(1, 5)
    )
    assert "waits for paint, read" in listed
    assert "After write" in listed
    assert listed.count("Waiting") == 3


def test_pictures_progress_and_reasons_are_shown(mine: Visitor, driver: Driver, png: bytes) -> None:
    workflow = submit(driver)
    driver.finish(driver.claim(), driver.file("output", "text.txt", "text/plain", b"a fox"))
    paint, read = driver.claim(), driver.claim()
    driver.finish(paint, driver.file("output", "image.png", "image/png", png, width=64, height=64))
    driver.step(read, 3)
    text = main(mine.get(f"/workflows/{workflow.id}").text)
    assert "/thumbnail" in text
    assert "<progress" in text
    driver.fail(read, "voice_missing", "The voice is gone.")
    text = main(mine.get(f"/workflows/{workflow.id}").text)
    assert "The step “read”, which this one waited for, failed." in text
    assert "The voice is gone." in text
    assert "2 of 4 steps done" in text
    assert "results.zip" in text
    assert "Cancel the rest" not in text


def test_cancel_the_rest_and_retry_what_did_not_succeed(mine: Visitor, driver: Driver) -> None:
    workflow = submit(driver)
    path = f"/workflows/{workflow.id}"
    driver.fail(driver.claim(), "out_of_memory", "No.")
    text = main(mine.get(path).text)
    assert "Retry what did not succeed" in text
    for _ in range(2):
        assert mine.post(f"{path}/retry").location == path
    stands = workflow_listing.standing(driver.db, workflow)
    assert stands.counts[JobState.QUEUED] == 4
    for _ in range(2):
        assert mine.post(f"{path}/cancel").location == path
    assert workflow_listing.standing(driver.db, workflow).state is JobState.CANCELLED


def test_a_retry_without_its_model_says_so(mine: Visitor, driver: Driver) -> None:
    library.add(driver.db, driver.owner.id, name="mine", task="text-to-image", source="hub:me/mine", revision="0" * 40)
    paint = {"name": "paint", "kind": "generate_image", "params": {"prompt": "x", "model": "mine"}}
    workflow = submit(driver, [paint])
    driver.fail(driver.claim(), "out_of_memory", "No.")
    library.remove(driver.db, driver.owner.id, "mine")
    answer = mine.post(f"/workflows/{workflow.id}/retry")
    assert answer.status_code == 422
    assert "Nothing was retried." in answer.text


def test_another_owners_workflow_is_not_there(theirs: Visitor, driver: Driver) -> None:
    path = f"/workflows/{submit(driver).id}"
    assert [theirs.get(f"{path}{way}").status_code for way in ("", "/part")] == [404, 404]
    assert [theirs.post(f"{path}{way}").status_code for way in ("/cancel", "/retry")] == [404, 404]
    assert theirs.get(f"/workflows/new?from={path.split('/')[-1]}").status_code == 404
    assert "No workflows yet" in theirs.get("/workflows").text


def test_the_job_page_and_the_list_say_what_a_job_waits_for(mine: Visitor, driver: Driver) -> None:
    workflow = submit(driver)
    found = workflow_listing.standing(driver.db, workflow).jobs
    text = mine.get(f"/jobs/{found['paint'].id}").text
    assert f"/workflows/{workflow.id}" in text
    assert "Step “paint” of a workflow" in text
    assert "waits for write" in text
    assert "from the step “write”" in text
    assert re.search(r"<dt>Waits for</dt><dd><a[^>]+>write</a>", text)
    assert re.search(r"<dt>Needed by</dt><dd><a[^>]+>again</a>", text)
    assert mine.get("/jobs").text.count("waits for write") == 2
    jobs.cancel(driver.db, driver.owner.id, found["paint"].id)
    assert mine.get(f"/?from={found['paint'].id}").status_code == 200
    text = mine.get(f"/jobs/{found['paint'].id}").text
    assert 'id="again"' not in text, "nobody knows what it would run with"
    told = "cancelled: The step “paint”, which this one waited for, was cancelled."
    assert told in mine.get(f"/jobs/{found['again'].id}").text


def test_a_step_that_could_not_begin_leads_to_its_workflow(mine: Visitor, driver: Driver) -> None:
    workflow = submit(driver)
    driver.finish(driver.claim())
    paint = driver.claim()
    driver.fail(
        paint, "step_artifact_missing", "The step “write” made 0 files as “output”; there is no number 0 from 0."
    )
    text = mine.get(f"/jobs/{paint.id}").text
    assert re.search(rf'id="repair" href="/workflows/{workflow.id}"', text)
    assert 'id="again"' not in text
    assert mine.post(f"/jobs/{paint.id}/retry").status_code == 409


# ---- a new one ------------------------------------------------------------------------------------------------------


def typed(text: str) -> str:
    return html.unescape(re.split(r"<textarea[^>]*>\n", text)[1].split("</textarea>")[0])


def test_the_form_begins_with_an_example_that_works(mine: Visitor, driver: Driver) -> None:
    for start in starts():
        text = mine.get(f"/workflows/new?start={start.name}").text
        answer = mine.post("/workflows/new", steps=typed(text), token="t")
        assert answer.status_code == 303, answer.text
        assert mine.post("/workflows/new", steps=typed(text), token="t").location == answer.location
    assert {start.name for start in starts()} == {"picture", "variation", "film"}
    assert typed(mine.get("/workflows/new").text) == starts()[0].text
    assert mine.get("/workflows/new?start=odd").status_code == 404
    assert len(workflow_listing.page(driver.db, driver.owner.id).items) == 3


def test_a_workflow_is_changed_and_run_again(mine: Visitor, driver: Driver) -> None:
    workflow = submit(driver)
    text = typed(mine.get(f"/workflows/new?from={workflow.id}").text)
    again = json.loads(text)
    assert {step["name"]: step for step in again["steps"]} == {step["name"]: step for step in STEPS}
    assert again["title"] == "A small film"
    assert mine.post("/workflows/new", steps=text).status_code == 303


WRONG: list[tuple[str, int | None, str, str]] = [
    ("", None, "", "not JSON"),
    ('{"steps":\n [,]}', None, "", "line 2, column 3"),
    ("[]", 1, "", "named values"),
    ('{\n"steps": []}', 2, "steps", "at least 1"),
    ('{"steps": [\n{"name": "a", "kind": "odd",\n "params": {}}]}', 2, "steps.0.kind", "no kind"),
    (
        '{"steps": [{"name": "a", "kind": "generate_text", "params": {\n\n"prompt": {"from": "b"}}}]}',
        3,
        "steps.0.params.prompt",
        "no step",
    ),
    ('{"steps": [{"name": "a",\n"kind": "generate_speech", "params": {\n}}]}', 2, "steps.0.params.text", "needed"),
]


def test_what_is_wrong_is_named_by_its_line_and_what_was_typed_is_kept(mine: Visitor) -> None:
    for text, line, field, words in WRONG:
        answer = mine.post("/workflows/new", steps=text)
        assert answer.status_code == 422
        assert typed(answer.text) == text
        assert re.search(r'id="steps"[^>]*aria-invalid="true" autofocus', answer.text)
        fault = html.unescape(answer.text.split('id="steps-faults"')[1].split("</div></div>")[0])
        assert words in fault
        assert (f"Line {line}" in fault) == (line is not None)
        assert field in fault


def test_lines_are_found_in_any_json() -> None:
    value = {"a": [1, {"b": 'x"}]', "c": [[], {}, "é\n"]}], "d": {"e": None}}
    text = json.dumps(value, indent=1)
    lines = text.split("\n")
    for field, end in (("a.0", "1,"), ("a.1.b", '"x\\"}]",'), ("a.1.c.2", '"\\u00e9\\n"'), ("d.e", "null")):
        line = line_of(text, field)
        assert line is not None
        assert lines[line - 1].endswith(end)
    assert line_of(text, "d.odd") == line_of(text, "d")
    assert line_of("7", "a") == 1


def test_what_is_written_is_what_was_asked() -> None:
    for start in starts():
        assert json.loads(written(start.asked)) == start.asked


# ---- the drawing ----------------------------------------------------------------------------------------------------


def planned(**needs: str) -> list[PlannedStep]:
    return [PlannedStep(name, "probe", {}, 5, None, tuple(each)) for name, each in needs.items()]


@pytest.mark.parametrize(
    "steps",
    [
        planned(a=""),
        planned(a="", b="a", c="b", d="c", e="d"),
        planned(a="", b="a", c="a", d="bc"),
        planned(a="", b="a", c="b", d="ac", e="abcd"),
        planned(**{f"s{n}": "" for n in range(20)}),
    ],
)
def test_no_boxes_overlap_and_every_line_goes_from_left_to_right(steps: list[PlannedStep]) -> None:
    drawn = graph(steps)
    boxes = {node.name: node for node in drawn.nodes}
    assert set(boxes) == {step.name for step in steps}
    for node in drawn.nodes:
        assert 0 <= node.x <= drawn.width - WIDTH
        assert 0 <= node.y <= drawn.height - HEIGHT
        for other in drawn.nodes:
            apart = abs(node.x - other.x) >= WIDTH or abs(node.y - other.y) >= HEIGHT
            assert node is other or apart
    assert len(drawn.edges) == sum(len(step.needs) for step in steps)
    for edge in drawn.edges:
        numbers = [int(each) for each in re.findall(r"\d+", edge.path)]
        assert (numbers[0], numbers[1]) == (boxes[edge.start].x + WIDTH, boxes[edge.start].y + HEIGHT // 2)
        assert numbers[-2:] == [boxes[edge.end].x, boxes[edge.end].y + HEIGHT // 2]
        for lane in re.findall(r" (\d+)H(\d+)", edge.path):
            y, x = map(int, lane)
            assert all(node.x + WIDTH != x or not node.y < y < node.y + HEIGHT for node in drawn.nodes)
