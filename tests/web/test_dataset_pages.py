"""Datasets in the browser without a script, and by the API: the list, one of them, its rows and files, and its end."""

import io
import zipfile
from typing import Any

from flask.testing import FlaskClient
from PIL import Image

from shared.owners import Owner
from tests.web.conftest import Visitor
from tests.web.dataset_making import Make, make, picture, rows

__all__ = ["make"]


def by_api(client: FlaskClient, secret: str, path: str, method: str = "GET") -> Any:
    answer = client.open(path, method=method, headers={"Authorization": f"Bearer {secret}"})
    return answer if method != "GET" else (answer.status_code, answer.json)


def test_without_a_dataset_the_page_says_how_to_make_one(mine: Visitor) -> None:
    page = mine.get("/datasets").text
    assert "No datasets yet" in page
    assert 'href="/?kind=check_dataset"' in page
    assert (
        'accept=".csv,.tsv,.jsonl,.ndjson,.txt,.txt,.md,.srt,.vtt,text/plain,.zip,application/zip"'
        in mine.get("/?kind=check_dataset").text
    )


def test_a_dataset_is_listed_and_shown_with_its_report_and_rows(
    mine: Visitor, theirs: Visitor, make: Make, owner: Owner, secret: str
) -> None:
    # given two versions of a dataset, with a bad row in the second
    make(owner, secret, "reviews", rows(30))
    job = make(owner, secret, "reviews", rows(50) + b'{"text": ""}\n', validation=0.2)

    # then the list names the latest, and its page shows what there is to know
    assert "50 rows · version 2" in mine.get("/datasets").text
    page = mine.get("/datasets/reviews").text
    for told in ("Texts with labels, version 2.", "50 rows.", "40 rows", "reviews@2", job, "empty_field", " &lt;b&gt;"):
        assert told in page, told
    assert page.count("<rect") > 0
    assert "<b>" not in page.partition('class="examples"')[2].partition("</ol>")[0].replace('<b class="xs">', "")
    # and leads to the next rows, to other splits, and to the earlier version
    assert "row 49" in mine.get("/datasets/reviews?split=validation").text or "Next" in page
    first = mine.get("/datasets/reviews?version=1").text
    assert "Texts with labels, version 1." in first
    assert mine.get("/datasets/reviews?version=9").status_code == 404
    assert mine.get("/datasets/reviews?cursor=-1").status_code == 422
    # and nobody else sees any of it
    for path in ("/datasets/reviews", "/datasets/none"):
        assert theirs.get(path).status_code == 404


def test_pages_of_rows_follow_one_another(mine: Visitor, make: Make, owner: Owner, secret: str) -> None:
    make(owner, secret, "reviews", rows(30))
    page = mine.get("/datasets/reviews").text
    cursor = page.partition("cursor=")[2].partition("#")[0].partition('"')[0]
    following = mine.get(f"/datasets/reviews?cursor={cursor}").text
    assert "row 19 " in page
    assert "row 20 " not in page
    assert "row 20 " in following
    assert "row 29 " in following


def test_pictures_are_shown(mine: Visitor, theirs: Visitor, make: Make, owner: Owner, secret: str) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        for shade in range(0, 250, 50):
            made.writestr(f"{'dark' if shade < 100 else 'light'}/{shade}.png", picture(shade))
    make(owner, secret, "shades", archive.getvalue(), "shades.zip", drop_duplicates=False)
    page = mine.get("/datasets/shades").text
    assert 'src="/datasets/shades@1/files/000000.png" alt="dark/0.png"' in page
    shown = mine.get("/datasets/shades@1/files/000000.png")
    assert (shown.status_code, shown.mimetype) == (200, "image/png")
    assert Image.open(io.BytesIO(shown.data)).size == (16, 16)
    assert mine.get("/datasets/shades@1/files/none.png").status_code == 404
    assert theirs.get("/datasets/shades@1/files/000000.png").status_code == 404


def test_a_dataset_is_deleted(mine: Visitor, theirs: Visitor, make: Make, owner: Owner, secret: str) -> None:
    make(owner, secret, "reviews", rows(5))
    assert theirs.post("/datasets/reviews/delete").status_code == 404
    assert mine.post("/datasets/reviews/delete").status_code == 303
    assert "No datasets yet" in mine.get("/datasets").text


def test_the_api_lists_shows_reads_and_deletes(
    client: FlaskClient, make: Make, owner: Owner, secret: str, stranger_secret: str
) -> None:
    make(owner, secret, "reviews", rows(5))
    _, listed = by_api(client, secret, "/api/datasets")
    assert [(each["name"], each["latest"]["ref"], each["latest"]["rows"]) for each in listed["datasets"]] == [
        ("reviews", "reviews@1", 5)
    ]
    assert by_api(client, secret, "/api/datasets?format=chat")[1] == {"datasets": []}
    _, shown = by_api(client, secret, "/api/datasets/reviews")
    assert shown["versions"][0]["report"]["format"] == "labelled"
    _, page = by_api(client, secret, "/api/datasets/reviews@1/rows?limit=3")
    assert [row["line"] for row in page["rows"]] == [1, 2, 3]
    _, rest = by_api(client, secret, f"/api/datasets/reviews/rows?cursor={page['next']}")
    assert ([row["line"] for row in rest["rows"]], rest["next"]) == ([4, 5], None)
    assert by_api(client, secret, "/api/datasets/reviews/rows?split=test")[1] == {"rows": [], "next": None}
    assert by_api(client, secret, "/api/datasets/reviews/rows?split=holiday")[0] == 422
    for path in ("", "/rows"):
        assert by_api(client, stranger_secret, f"/api/datasets/reviews{path}")[0] == 404
    assert by_api(client, stranger_secret, "/api/datasets")[1] == {"datasets": []}
    assert by_api(client, stranger_secret, "/api/datasets/reviews", "DELETE").status_code == 404
    assert by_api(client, secret, "/api/datasets/reviews", "DELETE").status_code == 204
    assert by_api(client, secret, "/api/datasets/reviews")[0] == 404


def test_a_dataset_leads_to_the_kinds_that_train_on_it_with_what_that_will_take(
    mine: Visitor, make: Make, owner: Owner, secret: str
) -> None:
    # given two versions of a dataset
    make(owner, secret, "reviews", rows(30))
    make(owner, secret, "reviews", rows(60))
    # then the newest is trained on by its name, an earlier one by its number
    assert 'href="/?kind=train_classifier&amp;dataset=reviews"' in mine.get("/datasets/reviews").text
    assert 'href="/?kind=train_classifier&amp;dataset=reviews@1"' in mine.get("/datasets/reviews?version=1").text
    # and the form says how many steps that takes: 60 rows by 16, three times
    page = mine.get("/?kind=train_classifier&dataset=reviews").text
    assert "12 steps." in page
    # not the values that the interface knows, but what people call them
    for told in ("Top layers", "If it is better", "All weights"):
        assert f">{told}<" in page, told
    assert ">top_layers<" not in page
    # and its button says what it does
    assert "Generate" not in page.partition('class="submit"')[2].partition("</div>")[0]
    assert "Train" in page.partition('class="submit"')[2].partition("</div>")[0]


def test_what_is_typed_changes_what_a_training_will_take(mine: Visitor, make: Make, owner: Owner, secret: str) -> None:
    make(owner, secret, "reviews", rows(60))
    asked = {"kind": "train_classifier", "dataset": "reviews"}
    assert "5 steps." in mine.post("/create/estimate", **asked, steps="5").text
    assert "30 steps." in mine.post("/create/estimate", **asked, epochs="0.5", batch_size="1").text
    assert "It stops after 60 s." in mine.post("/create/estimate", **asked, time_budget_s="60").text
    assert "step" not in mine.post("/create/estimate", **asked, steps="many").text
    assert "step" not in mine.post("/create/estimate", kind="train_classifier", dataset="none").text
