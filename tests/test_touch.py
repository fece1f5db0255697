"The pages to touch, with real clicks and keys: at two widths, in both themes, from a file and without a network."

import re

import pytest

from touch_model import copy_touch

MOST_BYTES = 6e6
SHOWN = "id => document.getElementById(id).toDataURL()"


@pytest.fixture(scope="module")
def touch(tmp_path_factory):
    "The folder of the pages, as the site has it"
    return copy_touch(tmp_path_factory.mktemp("site"))


@pytest.fixture(params=[(1280, "light"), (390, "dark")], ids=["wide", "phone"])
def opened(request, chromium, touch):
    "Opens a page to touch; whatever goes wrong in it fails the test"
    width, scheme = request.param
    faults = []
    how = dict(
        viewport=dict(width=width, height=844), color_scheme=scheme, has_touch=width < 500, offline=True
    )
    with chromium.new_context(**how) as context:
        tab = context.new_page()
        tab.on("pageerror", lambda error: faults.append(error.message))
        tab.on("console", lambda m: faults.append(m.text) if m.type == "error" else None)

        def open_page(name):
            tab.goto((touch / f"{name}.html").as_uri())
            tab.wait_for_function("document.querySelector('#said, #score')?.textContent")
            assert tab.evaluate("document.documentElement.scrollWidth") <= width
            assert tab.locator(".dark").count() == (scheme == "dark")
            return tab

        yield open_page
    assert faults == []


def share(tab, words):
    "The number before ` %` that follows `words` in what the page says"
    return float(tab.locator("#said").inner_text().split(words)[1].split("%")[0])


def test_temperature(opened):
    tab = opened("temperature")
    tab.locator("#t").fill("0.7")
    warm = share(tab, "The right answer has"), share(tab, "the most similar takes")
    tab.locator("#t").fill("-1")
    cold = share(tab, "The right answer has"), share(tab, "the most similar takes")
    assert cold[0] > 2 * warm[0] and cold[1] > 2 * warm[1]
    assert 1 / 15 - 0.02 < warm[0] / 100 < 0.15  # nearly the same for all fifteen
    said, drawn = tab.locator("#said").inner_text(), tab.evaluate(SHOWN, "matrix")
    tab.locator("#matrix").click(position=dict(x=150, y=160))
    assert tab.locator("#said").inner_text() != said and tab.evaluate(SHOWN, "matrix") != drawn
    clicked = tab.locator("#said").inner_text()
    tab.keyboard.press("ArrowDown")
    assert tab.locator("#said").inner_text() != clicked


def test_the_loss_of_the_page_is_ours(opened):
    "The slider's mean loss is that of `nt_xent`"
    import torch

    from ssl_nb.simclr_loss import nt_xent

    tab = opened("temperature")
    z = torch.tensor(tab.evaluate("DATA.z"))
    ids = torch.arange(len(z) // 2).repeat(2)
    for place in (-0.5, 0.3):
        shown = tab.evaluate("t => loss(t)", 10**place)
        assert shown == pytest.approx(nt_xent(z, ids, 10**place).item(), abs=1e-4)


def test_map(opened):
    tab = opened("map")
    said, empty = tab.locator("#said").inner_text(), tab.evaluate(SHOWN, "map")
    x, y = tab.evaluate("place(123)")
    box = tab.locator("#map").bounding_box()
    at = dict(x=x * box["width"] / 900, y=y * box["height"] / 520)
    tab.locator("#map").hover(position=at)
    assert tab.evaluate("pointed") >= 0 and tab.evaluate(SHOWN, "map") != empty
    tab.locator("#map").click(position=at)
    assert tab.evaluate("chosen") == tab.evaluate("pointed") and "nearest neighbours" in said
    own = tab.evaluate("DATA.near[chosen].filter(j => DATA.y[j] === DATA.y[chosen]).length")
    assert f": {own} of its 8 nearest neighbours" in tab.locator("#said").inner_text()
    drawn = tab.evaluate(SHOWN, "map")
    tab.get_by_role("button", name="Trouser").click()
    assert tab.evaluate(SHOWN, "map") != drawn
    assert tab.get_by_role("button", name="Trouser").get_attribute("aria-pressed") == "false"
    tab.locator("#map").focus()
    chosen = tab.evaluate("chosen")
    tab.keyboard.press("ArrowRight")
    assert tab.evaluate("chosen") == chosen + 1


def test_neighbours_of_the_map_are_the_nearest(opened):
    tab = opened("map")
    near = tab.evaluate("DATA.near")
    assert len(near) == 1000 and all(len(set(row)) == 8 and i not in row for i, row in enumerate(near))
    same = tab.evaluate("DATA.near.flatMap((row, i) => row.map(j => DATA.y[j] === DATA.y[i]))")
    assert sum(same) / len(same) > 0.6  # far more than one in ten


def test_views(opened, tmp_path):
    from PIL import Image

    tab = opened("views")
    drawn = tab.evaluate(SHOWN, "views")
    tab.get_by_role("button", name="Draw again").click()
    other = tab.evaluate(SHOWN, "views")
    assert other != drawn
    for name in tab.evaluate("Object.keys(SLIDERS)"):
        before = tab.evaluate(SHOWN, "views")
        tab.locator(f"#{name}").evaluate("e => { e.value = e.max; e.dispatchEvent(new Event('input')); }")
        if name != "crop":  # some may draw the same by chance, and 1 keeps the picture whole
            assert tab.evaluate(SHOWN, "views") != before, name
    Image.new("RGB", (60, 40), "teal").save(tmp_path / "mine.png")
    tab.locator("#file").set_input_files(tmp_path / "mine.png")
    tab.wait_for_function("document.getElementById('said').textContent.startsWith('mine.png')")
    (tmp_path / "no.png").write_text("no picture")
    shown = tab.evaluate(SHOWN, "views")
    tab.locator("#file").set_input_files(tmp_path / "no.png")
    tab.wait_for_function("document.getElementById('said').textContent.includes('no picture that')")
    assert tab.evaluate(SHOWN, "views") == shown


def draw(tab, *points):
    "One stroke through points in pixels of the paper"
    box = tab.locator("#paper").bounding_box()
    places = [(box["x"] + x * box["width"] / 280, box["y"] + y * box["height"] / 280) for x, y in points]
    tab.mouse.move(*places[0])
    tab.mouse.down()
    for place in places[1:]:
        tab.mouse.move(*place, steps=8)
    tab.mouse.up()


def test_a_drawn_digit_is_named(opened):
    tab = opened("digit")
    draw(tab, (150, 40), (140, 240))
    assert tab.locator("#said").inner_text().startswith("This is a 1,")
    tab.get_by_role("button", name="Clear").click()
    assert tab.locator("#said").inner_text() == "Draw a digit."
    draw(tab, (70, 60), (210, 60), (120, 240))
    assert tab.locator("#said").inner_text().startswith("This is a 7,")
    near = tab.evaluate("shown.near.map(i => DATA.y[i])")
    assert near.count(7) >= 4
    tab.get_by_role("combobox").select_option("test image 1")
    assert tab.locator("#said").inner_text().startswith("This is a 7,")  # the first of MNIST's test images


def test_the_browser_computes_what_torch_does(opened):
    "Representation and probabilities within 1e-4, on test images and on noise"
    import base64

    import torch

    from ssl_nb.classifier import load_classifier
    from ssl_nb.runs import shipped_model

    tab = opened("digit")
    model = load_classifier(shipped_model("mnist")).eval()
    tests = [list(base64.b64decode(text)) for text in tab.evaluate("DATA.tests")[:3]]
    noise = torch.randint(0, 256, (784,), generator=torch.Generator().manual_seed(0)).tolist()
    for pixels in [*tests, noise]:
        h, p = tab.evaluate("x => { const h = represent(x); return [Array.from(h), classify(h)]; }", pixels)
        x = torch.tensor(pixels, dtype=torch.uint8).view(1, 1, 28, 28)
        with torch.no_grad():
            expected = model.encoder(x / 255)[0]
        assert torch.allclose(torch.tensor(h), expected, atol=1e-4, rtol=1e-4)
        assert torch.allclose(torch.tensor(p), model.predict_proba(x)[0], atol=1e-4)


def test_the_game_counts(opened):
    tab = opened("game")
    count = lambda: [int(n) for n in re.findall(r"\d+", tab.locator("#score").inner_text())]
    assert count() == [0, 1000, 0, 0]
    tab.wait_for_selector(".group.current")
    size = tab.locator(".group.current .tile[data-i]").count()
    tab.keyboard.press("1")
    right, _, wrong, moves = count()
    assert right + wrong >= min(size, 5) and moves == 1
    tab.keyboard.press("Control+z")
    assert count()[:3] == [0, 1000, 0]


def test_they_are_small(touch):
    assert sum(path.stat().st_size for path in touch.iterdir()) < MOST_BYTES


def test_the_site_shows_them_in_place(built, chromium):
    from browse_site import served

    places = dict(index="map", simclr_loss="temperature", augment="views", models="digit", clusters="game")
    with served(built / "_docs") as address, chromium.new_context() as context:
        tab = context.new_page()
        for page, name in places.items():
            tab.goto(f"{address}{page}.html")
            tab.locator("iframe.touch").scroll_into_view_if_needed()
            frame = tab.frame_locator("iframe.touch")
            frame.locator("#said, #score").wait_for()
            assert tab.locator("iframe.touch").get_attribute("src") == f"touch/{name}.html"
            if (
                name == "game"
            ):  # it keeps its height and follows the system's theme, as the labelling page does
                continue
            tab.wait_for_function("document.querySelector('iframe.touch').style.height !== ''")
            tab.locator(".quarto-color-scheme-toggle").first.click()
            frame.locator("html.dark").wait_for()
            tab.locator(".quarto-color-scheme-toggle").first.click()
