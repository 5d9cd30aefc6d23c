"""What the safety filter did is said wherever the result is shown: in the gallery and beside the grid of a batch."""

from shared import artifacts, batches
from shared.db import Database
from shared.owners import Owner
from shared.variations import Varied
from tests.web.conftest import Visitor
from tests.web.driving import Driver

NOTE = "The picture was blurred: the safety filter took it for explicit."


def test_the_gallery_says_it_on_the_tile_in_the_comparison_and_where_it_is_used(
    mine: Visitor, driver: Driver, png: bytes
) -> None:
    ids = []
    for number, about in enumerate([{"filtered": NOTE}, {}]):
        job = driver.submit(prompt=f"number {number}")
        content = png + bytes([number])
        driver.finish(driver.claim(), driver.file("output", f"{number}.png", "image/png", content, **about))
        ids.append(artifacts.of_jobs(driver.db, driver.owner.id, [job.id])[job.id][0].id)
    page = mine.get("/gallery").text
    assert page.count('class="filtered"') == 1, "only on the one that was filtered"
    assert f'<span class="sr">{NOTE}</span>' in page, "in words, not by a sign alone"
    assert mine.get(f"/gallery/compare?a={ids[0]}&b={ids[1]}").text.count(NOTE) == 1
    assert NOTE in mine.get(f"/gallery/{ids[0]}/use").text
    assert NOTE not in mine.get(f"/gallery/{ids[1]}/use").text


def test_the_selected_cell_of_a_batch_says_it(
    mine: Visitor, driver: Driver, db: Database, owner: Owner, png: bytes
) -> None:
    batch = batches.submit(db, owner, "generate_image", Varied({"prompt": "apple"}, {"steps": [4, 8]})).batch
    driver.finish(driver.claim(), driver.file("output", "image-1.png", "image/png", png, filtered=NOTE))
    assert f"image-1.png: {NOTE}" in mine.get(f"/batches/{batch.id}").text
