"""English and Simplified Chinese: the catalogue is whole, no page lets English through, the switch stays on site."""

import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest
from babel.messages.mofile import read_mo
from flask import Flask
from flask.testing import FlaskClient
from markupsafe import escape

from shared import artifacts, batches, devices, keys, kinds, library, schedules, workflows
from shared.db import Database
from shared.owners import Owner
from shared.schedule import Schedule, Terms
from shared.sources import Listed
from shared.steps import Asked
from shared.variations import Varied
from tests.web.conftest import Visitor
from tests.web.dataset_making import Make, make  # noqa: F401 - a fixture
from tests.web.driving import Driver
from tests.web.test_plant_pages import put, silence
from web import catalogue, extraction
from web.pages import BLUEPRINTS, sentences

CHINESE = {"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"}

PARTS = {
    # Parts of pages, drawn by the pages themselves as well.
    "all_batches.part", "all_devices.part", "all_jobs.part", "all_models.part", "all_schedules.part",
    "all_workflows.part", "batch.part", "create.recent", "gallery.more", "gallery.news", "gallery.part", "job.live",
    "own_keys.part", "schedule.panel", "workflow.part",
    # Redirects, and what is no page.
    "all_batches.slashed", "all_jobs.slashed", "all_workflows.slashed", "gallery.slashed", "offline.worker",
    "all_datasets.file",
}  # fmt: skip

NAMES = {
    "Atelier", "API", "CPU", "CSV", "Cron", "Ctrl", "Enter", "English", "GB", "GPU", "ID", "JSON", "JSONL", "MB",
    "PNG", "JavaScript", "Python", "RTX", "Top", "UTC", "WAV", "artifact", "atelier", "csv", "curl", "gpu", "hub",
    "jsonl", "kB", "keys", "openapi.json", "problem+json", "px", "token", "zip", "AI", "BART", "C2PA", "ControlNet",
    "GAN", "IP-Adapter", "LoRA", "Marian", "SRT", "T5", "VAE", "WebVTT", "de", "en", "index", "role", "zh",
    "Alpha", "CoNLL", "data.jsonl", "problems.csv", "DreamBooth", "JSON Lines", "Lines", "Min-SNR",
    "NFC", "SDXL", "Unicode", "alpha", "gamma", "name",
}  # fmt: skip
"""Names that are the same in every language, commands, and units."""

HERE = (
    "Smollm2 Emoji emoji Digits digits Hibari hibari Realesrgan-Anime realesrgan-anime MIT hong yi my-model "
    "minilm studio cellar attic Nowhere on off admin Probe Relay Learn Study Chant Latent-Walk latent-walk "
    "Whisper-Tiny-En whisper-tiny-en"
)
"""Names of models, devices and foreign kinds of this installation, and what has to be typed as it is."""


# ---- the catalogue --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", catalogue.LANGUAGES)
def test_every_message_is_translated(language: str) -> None:
    """`python -m web.catalogue` adds what is new; then somebody translates it."""
    catalog = catalogue.read(language)
    assert catalogue.faults(catalog) == []
    known = {(message.context, message.id) for message in catalog if message.id}
    asked = {(message.context, message.id) for message in extraction.extracted() if message.id}
    assert known == asked, "run python -m web.catalogue"


@pytest.mark.parametrize("language", catalogue.LANGUAGES)
def test_the_compiled_catalogue_is_that_of_the_text(language: str) -> None:
    with catalogue.mo_path(language).open("rb") as file:
        compiled = {(each.context or b"", str(each.id)): str(each.string) for each in read_mo(file) if each.id}
    written = {
        ((each.context or "").encode(), _listed(each.id)): _listed(each.string)
        for each in catalogue.read(language)
        if each.id
    }
    assert compiled == written, "run python -m web.catalogue"


def _listed(text: object) -> str:
    """As a compiled catalogue gives it: forms in a list."""
    return str(list(text) if isinstance(text, tuple) else text)


# ---- the pages ------------------------------------------------------------------------------------------------------


class Seen(HTMLParser):
    """What of a page a reader sees or hears: texts, and attributes that are read out. Marked English is left out."""

    NO_WORDS = ("script", "style", "code", "pre", "kbd", "svg")
    VOID = ("area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "track", "wbr", "use")
    HEARD = ("alt", "aria-label", "data-copied", "data-says", "placeholder", "title")

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        #: of each open element, whether its texts count, and its attributes
        self._open: list[tuple[bool, bool]] = [(True, True)]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        ours = self._open[-1][1] and given.get("lang", "zh-Hans") == "zh-Hans"
        text = ours and self._open[-1][0] and tag not in self.NO_WORDS and "mono" not in given.get("class", "")
        if ours:
            self.found += [given[name] for name in self.HEARD if given.get(name)]
        if tag not in self.VOID:
            self._open.append((text, ours))

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if data.strip() and self._open[-1][0]:
            self.found.append(" ".join(data.split()))


def english_in(page: str, *data: str) -> list[str]:
    """Texts of a page that have an English word in them which is neither a name nor an identifier."""
    seen = Seen()
    seen.feed(page)
    names = NAMES.union(*(re.findall("[A-Za-z-]+", each) for each in data))
    # A text in braces shows JSON as it has to be written.
    texts = [text for text in seen.found if not text.startswith("{")]
    return [text for text in texts if any(_is_english(word, names) for word in re.findall(TOKEN, text))]


TOKEN = r"[A-Za-z0-9_/:@{}=.+-]+"


def _is_english(token: str, names: set[str]) -> bool:
    word = token.strip(".-:/+")
    if re.search(r"[\d_/:@{}=]", word) or word in names:
        return False
    return re.search("[A-Za-z]{2}", word) is not None


@pytest.fixture
def chinese(client: FlaskClient, mine: Visitor) -> Visitor:
    """The owner, who reads Chinese."""
    client.set_cookie("language", "zh")
    return mine


@pytest.fixture
def paths(db: Database, owner: Owner, driver: Driver, png: bytes, make: Make, secret: str) -> list[str]:  # noqa: F811
    """Every page, on an installation where much has happened; whatever its owner wrote is Chinese."""
    pictures = []
    for seed in (1, 2):
        job = driver.submit(prompt="红苹果", negative_prompt="模糊", seed=seed, upscale=2)
        file = driver.file("output", f"{seed}.png", "image/png", png + bytes([seed]), seed=seed, width=64, height=48)
        driver.finish(driver.claim(), file)
        pictures += [each.id for each in artifacts.of_jobs(db, owner.id, [job.id])[job.id]]
    done = job.id
    talk = driver.submit("generate_text", messages=[{"role": "user", "content": "你好"}]).id
    driver.fail(driver.claim(), "context_too_long", "Nothing is left of the prompt once it is split into tokens.")
    lost = driver.submit(prompt="蓝天").id
    driver.fail(
        driver.claim(),
        "time_limit",
        "The job was stopped at its time limit of 60 s. Ask for less, or for a longer limit.",
    )
    driver.submit(prompt="运行中")
    running = driver.claim()
    driver.step(running, 3, note="Step 3 of 8")
    waiting = driver.submit("generate_speech", text="你好").id
    grid = batches.submit(
        db, owner, "generate_image", Varied({"prompt": "红苹果"}, {"steps": [4, 8], "guidance": [3.0, 4.0]})
    ).batch
    rows = batches.submit(db, owner, "generate_image", Listed({}, [{"prompt": "一"}, {"prompt": "二"}])).batch
    steps = [
        {"name": "写", "kind": "generate_text", "params": {"prompt": "写一句话"}},
        {"name": "画", "kind": "generate_image", "params": {"prompt": {"from": "写"}}},
    ]
    flow = workflows.submit(db, owner, Asked.model_validate({"title": "写与画", "steps": steps})).workflow
    made = [_schedule(db, owner, cron) for cron in ("0 9 * * 1-5", "*/30 * * * *")]
    schedules.pause(db, owner.id, made[1].id, "放假")
    library.add(
        db,
        owner.id,
        name="hong/yi",
        title="红一",
        task="text-to-image",
        source="hub:hong/yi",
        revision="a" * 40,
        base="emoji",
        licence="MIT",
    )
    put(db, state="busy", job_id=running.id)
    put(db, "studio/cuda:1", "draining")
    devices.drain(db, "studio/cuda:1")
    put(db, "cellar/cuda:0", "quarantined", note="Failed 3 times in ten minutes; it is tried again in 4 min.")
    put(db, "attic/cuda:0", "busy", job_id=running.id)
    # Far ahead, so that all but one are up however slow the machine is.
    db.one("update devices set heartbeat_at = now() + interval '1 h' returning id", {})
    silence(db, "attic/cuda:0")
    lines = "".join(f'{{"text": "第{row}行", "label": "好"}}\n' for row in "一二三四五六七八九十")
    make(owner, secret, "my-data", (lines + '{"text": "", "label": "坏"}\n').encode(), validation=0.2)
    revoked = keys.create(db, owner.id, "旧", expires_at=datetime.now(UTC) + timedelta(days=9))
    keys.revoke(db, owner.id, revoked.key.id)
    return [
        "/", f"/?from={done}", "/?kind=generate_text", "/?kind=generate_code", "/?kind=generate_speech",
        "/create/from-picture", "/jobs", "/jobs?state=failed", "/jobs?q=nothing", f"/jobs/{done}", f"/jobs/{talk}",
        f"/jobs/{lost}", f"/jobs/{running.id}", f"/jobs/{waiting}", "/jobs/job_none", "/nowhere", "/gallery",
        "/gallery?q=nothing", f"/gallery/compare?a={pictures[0]}&b={pictures[1]}", "/batches", "/batches/new",
        "/batches/new?batch.way=list", "/batches/new?batch.way=file", f"/batches/{grid.id}", f"/batches/{rows.id}",
        "/schedules", "/schedules/new", f"/schedules/{made[0].id}", f"/schedules/{made[1].id}",
        f"/schedules/{made[0].id}/edit",
        "/devices", "/models", "/models?q=nothing", "/models/hong/yi", "/models/emoji", "/models/-/add", "/keys",
        "/workflows", "/workflows/new", f"/workflows/{flow.id}", f"/gallery/{pictures[0]}/use",
        "/login", "/offline", "/schedules/preview?s-cron=61+*+*+*+*&s-zone=Nowhere", "/docs", "/uploads", "/check",
        "/?kind=describe_image", "/workflows/new", "/datasets", "/datasets/my-data", "/compare-runs",
        "/?kind=check_dataset", "/?kind=train_classifier", "/?kind=train_diffusion_lora",
    ]  # fmt: skip


def _examples_and_choices() -> set[str]:
    """What kinds give as examples, which models read as they are, and the names among which a field chooses."""
    texts: set[str] = {"a photo of sks {}", "a photo of a dog"}
    alike = {str(message.id) for message in catalogue.read("zh_Hans") if message.id == message.string}
    for kind in kinds.names():
        schema = kinds.schema(kind)
        texts |= {str(value) for example in schema["examples"] for value in example.values()}
        for prop in schema["properties"].values():
            texts |= {str(value) for value in prop.get("enum", ())}
            # Of what choices are called, names are the same in Chinese: Euler, LoRA.
            texts |= alike & set(prop.get("x-ui", {}).get("titles", {}).values())
    return texts


def _schedule(db: Database, owner: Owner, cron: str) -> Schedule:
    job = {"kind": "generate_image", "params": {"prompt": "红苹果", "negative_prompt": "模糊", "steps": 4}}
    return schedules.create(db, owner, Terms.model_validate({"name": "早上", "cron": cron, "template": {"job": job}}))


def test_no_page_lets_english_through(chinese: Visitor, app: Flask, paths: list[str]) -> None:
    through: dict[str, list[str]] = {}
    drawn: set[str] = set()
    adapter = app.url_map.bind("localhost")
    for path in paths:
        answer = chinese.get(path)
        assert answer.status_code == (404 if "none" in path or "nowhere" in path else 200), path
        assert '<html lang="zh-Hans"' in answer.text or "preview" in path, path
        where = path.partition("?")[0]
        if adapter.test(where, "GET"):
            drawn.add(str(adapter.match(where, method="GET")[0]))
        through[path] = english_in(answer.text, HERE, *_examples_and_choices())
    assert [f"{path}: {text}" for path, texts in through.items() for text in texts] == []
    own = {blueprint.name for blueprint in BLUEPRINTS}
    pages = {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if "GET" in (rule.methods or ()) and rule.endpoint.partition(".")[0] in own
    }
    assert pages - PARTS <= drawn, "name every page in `paths`"


IMAGE = {"kind": "generate_image"}
REFUSED = [
    ("/", {"kind": "generate_image", "prompt": " ", "steps": "0", "width": "65", "guidance": "x", "seed": "-5"}),
    ("/", {"kind": "generate_image", "prompt": "一", "model": "没有"}),
    ("/", {"kind": "generate_text", "prompt": "一", "messages.0.content": "二", "temperature": "9"}),
    ("/", {"kind": "generate_image", "prompt": "一", "width": "4096", "height": "4096"}),
    ("/", {"kind": "没有", "prompt": "一"}),
    ("/batches/new", {"kind": "generate_image", "prompt": "一", "batch.way": "vary", "vary.steps": "四\n0"}),
    ("/batches/new", {"kind": "generate_image", "prompt": "一", "batch.way": "vary"}),
    ("/batches/new", {"kind": "generate_image", "batch.way": "list", "batch.items": "{\n[]\n{\"提示\": 1}"}),
    ("/create/from-picture", {}),
    ("/gallery/selection", {"do": "compare"}),
    ("/schedules/new", IMAGE | {"prompt": "{没有}", "s-repeat": "custom", "s-cron": "61 * * * *", "s-zone": "x"}),
    ("/schedules/new", IMAGE | {"prompt": "一", "s-repeat": "hourly", "s-minute": "99", "s-zone": "UTC"}),
    ("/keys", {"label": "", "rate_per_minute": "0", "expires_at": "x"}),
    ("/models/-/add", {"name": " ", "source": "x", "task": "x"}),
    ("/models/-/add", {"name": "emoji", "source": "hub:demo/emoji", "task": "text-to-image"}),
    ("/login", {"key": "atl_wrong"}),
    ("/language", {"language": "tlh"}),
]  # fmt: skip


def test_what_a_form_is_refused_for_is_said_in_chinese(chinese: Visitor) -> None:
    data = _examples_and_choices()
    for path, form in REFUSED:
        answer = chinese.post(path, **form)
        assert answer.status_code in {404, 409, 422}, (path, form)
        assert english_in(answer.text, HERE, *data) == [], (path, form)
        assert '<span lang="en">' not in answer.text, (path, form)


# ---- sentences of other modules -------------------------------------------------------------------------------------


SAID = [
    ("There is no device 'cuda:3' here.", "这里没有设备 'cuda:3'。"),
    ("prompt: Write something here.", "prompt：请在此填写内容。"),
    ("Must be 2 or more. Nothing of ours. Must be text.", "Must be 2 or more. Nothing of ours. Must be text."),
    ("Must be 2 or more. Must be text.", "必须大于或等于 2。必须是文本。"),
    ("This job has already failed; there is nothing left to cancel.", "此任务失败，没有可取消的了。"),
    ("There is no kind “failed”.", "没有任务类型“failed”。"),
    (
        "“6” does not fit the month: it takes 0 to 59. For example, “0 9 * * 1-5” is 09:00 from Monday to Friday.",
        "“6”不能用作月份，可用 0 到 59。例如，“0 9 * * 1-5”表示周一至周五 09:00。",
    ),
    ("这已经是中文。", "这已经是中文。"),
    ("", ""),
    ("This must be a sound or a film; the file is image/png.", "这里需要音频或视频，而文件类型是 image/png。"),
    ("A RAR archive is not taken here.", "这里不接收 RAR 压缩包。"),
    (
        "Models of this family cannot start from a picture and follow another.",
        "这一系列的模型不支持：从图片开始和参照另一张图片。",
    ),
    (
        "This takes audio or video, and the step “text” makes image.",
        "这里需要音频或视频，而步骤“text”生成的是图片。",
    ),
    ("What may fit: Width 512, Height 384.", "可能放得下的参数：宽度 512、高度 384。"),
    ("This must be a sound or nonsense; the file is x/y.", "这里需要a sound or nonsense，而文件类型是 x/y。"),
    ("Step 3 of 8", "第 3 步，共 8 步"),
    ("a. " * 500, "a. " * 500),
]


def test_a_sentence_is_found_again_by_its_template(app: Flask) -> None:
    for english, chinese in SAID:
        with app.test_request_context(headers=CHINESE):
            assert sentences.said(english) == chinese
        with app.test_request_context():
            assert sentences.said(english) == english


def test_what_stays_english_is_marked_and_escaped(app: Flask) -> None:
    with app.test_request_context(headers=CHINESE):
        assert sentences.shown("<b>No template</b>") == '<span lang="en">&lt;b&gt;No template&lt;/b&gt;</span>'
        assert sentences.shown(None) == ""
        assert escape(sentences.shown("There is no kind “<b>”.")) == "没有任务类型“&lt;b&gt;”。"


def test_every_template_finds_itself(app: Flask) -> None:
    """No template of a sentence is hidden behind another one that fits as well."""
    with app.test_request_context(headers=CHINESE):
        for message in catalogue.read("zh_Hans"):
            if message.context == sentences.CONTEXT:
                values = {name: f"<{name}>" for name in re.findall(r"%\((\w+)\)s", str(message.id))}
                assert sentences.said(str(message.id) % values) == str(message.string) % values


def test_the_api_stays_english(client: FlaskClient, secret: str) -> None:
    client.set_cookie("language", "zh")
    answer = client.get("/api/jobs/none", headers={"Authorization": f"Bearer {secret}", **CHINESE})
    assert answer.json is not None
    assert answer.json["detail"] == "There is no such job."


# ---- the choice -----------------------------------------------------------------------------------------------------


CHOSEN = [
    ("", None, "en"),
    ("zh", None, "zh-Hans"),
    ("zh-TW", None, "zh-Hans"),
    ("zh-Hans-CN,en;q=0.5", None, "zh-Hans"),
    ("fr,zh;q=0.8,en;q=0.7", None, "zh-Hans"),
    ("en-GB,zh;q=0.9", None, "en"),
    ("fr, de", None, "en"),
    ("zh;q=0", None, "en"),
    ("*", None, "en"),
    ("zh", "en", "en"),
    ("en", "zh", "zh-Hans"),
    ("zh", "tlh", "zh-Hans"),
    ("en", '"><script>', "en"),
]


def test_the_cookie_goes_before_the_browser(app: Flask) -> None:
    for accepted, cookie, tag in CHOSEN:
        client = app.test_client()
        if cookie is not None:
            client.set_cookie("language", cookie)
        page = client.get("/login", headers={"Accept-Language": accepted}).text
        assert f'<html lang="{tag}"' in page, (accepted, cookie)


def test_the_switch_sets_the_cookie_and_comes_back(mine: Visitor) -> None:
    page = mine.get("/jobs?state=failed").text
    assert re.search(r'<form method="post" action="/language" lang="zh-Hans">', page)
    assert 'name="next" value="/jobs?state=failed"' in page
    assert 'title="切换到中文"' in page
    answer = mine.post("/language", language="zh", next="/jobs?state=failed")
    assert (answer.status_code, answer.location) == (303, "/jobs?state=failed")
    cookie = answer.headers["Set-Cookie"]
    assert "language=zh" in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    page = mine.get("/jobs?state=failed").text
    assert '<html lang="zh-Hans"' in page
    assert 'title="Switch to English"' in page


def test_the_switch_leads_to_this_site_only(visitor: Visitor) -> None:
    for wanted in ("https://evil.example/", "//evil.example", "/\\evil.example", "javascript:x", ""):
        assert visitor.post("/language", language="zh", next=wanted).location == "/"


def test_the_switch_takes_the_token_of_its_form(client: FlaskClient, visitor: Visitor) -> None:
    assert client.post("/language", data={"language": "zh"}).status_code == 403
    assert visitor.post("/language", language="tlh").status_code == 422


def test_the_switch_never_holds_a_key(client: FlaskClient) -> None:
    page = client.get("/login?key=atl_wrong&next=/jobs").text
    assert "atl_wrong" not in page
    assert 'name="next" value="/login"' in page


def test_after_a_refused_form_the_switch_leads_to_a_page(mine: Visitor) -> None:
    assert 'name="next" value="/"' in mine.post("/", kind="generate_image", prompt="").text
    assert 'name="next" value="/"' in mine.post("/gallery/selection", do="compare").text
