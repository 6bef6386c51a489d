"""Signing in with a token: the page that asks for it, and addresses that sign in once."""

import subprocess
import time

import pytest

from clipsearch.server.sessions import Sessions
from tests.browser.conftest import environment, serve_command, shown

TOKEN = "correct-horse-battery"


@pytest.fixture(scope="module")
def locked(album):
    """A server with a token: the address, and the address that signs in once."""
    process = subprocess.Popen(
        serve_command(album / ".clipsearch", "--token", TOKEN),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    address = process.stdout.readline().strip()
    link = next(line for line in process.stderr if "#sign-in=" in line).split()[-1]
    yield address, link
    process.kill()
    process.communicate()


@pytest.fixture
def visitor(new_page):
    """A page of a browser that has not signed in."""
    page = new_page(viewport={"width": 390, "height": 844})
    page.expected += ["status of 401", "status of 403"]
    return page


def test_the_token_is_asked_for_and_the_search_is_kept(visitor, locked):
    address, _ = locked
    visitor.goto(f"{address}?q=a+giraffe&camera=testing")
    visitor.get_by_label("Token").fill("not the token")
    visitor.get_by_label("Token").press("Enter")
    visitor.wait_for_selector("#problem:not(:empty)")
    assert visitor.locator("#problem").inner_text() == "This is not the token of this server."
    visitor.get_by_label("Token").fill(TOKEN)
    visitor.get_by_role("button", name="Sign in").click()
    visitor.wait_for_selector(".photo.loaded")
    assert visitor.input_value("#query") == "a giraffe" and "camera=testing" in visitor.url
    (cookie,) = visitor.context.cookies()
    assert cookie["httpOnly"] and cookie["sameSite"] == "Strict" and TOKEN not in cookie["value"]
    assert 80 * 86400 < cookie["expires"] - visitor.evaluate("Date.now() / 1000") <= 90 * 86400 + 60
    visitor.evaluate(
        "async () => { window.parts = await Promise.all([import('/static/api.js'), import('/static/state.js')]); }"
    )
    visitor.route(
        f"{address}?*", lambda route: (time.sleep(0.3), route.continue_())
    )  # the page is there while it is loaded again
    visitor.context.clear_cookies()  # the session has ended: the next search asks for the token, and keeps its words
    visitor.evaluate("""() => {
        const [{ ask }, { changeSearch }] = parts;
        changeSearch({ q: "a kite" });
        ask("/api/status");  // its failure is no error of the page, which is leaving
    }""")
    visitor.wait_for_selector("#sign-in:not([hidden])")
    assert "q=a+kite" in visitor.url


def test_an_address_signs_in_once_and_does_not_stay(visitor, new_page, locked):
    address, link = locked
    requests = []
    visitor.on("request", lambda request: requests.append(request.url))
    visitor.goto(link.replace("#", "?q=a+giraffe#"))
    visitor.wait_for_selector(".photo.loaded")
    code = link.partition("=")[2]
    assert code not in visitor.url and code not in "".join(requests) and shown(visitor)[0] == "giraffe.jpg"
    other = new_page(viewport={"width": 400, "height": 800})
    other.goto(link)
    other.wait_for_selector("#problem:not(:empty)")
    assert "has been used" in other.locator("#problem").inner_text() and code not in other.url
    other.goto(f"{address}#sign-in=another")  # only the part behind # changes
    other.wait_for_function("() => !location.hash")
    other.goto(f"{address}#token={TOKEN}")
    other.wait_for_selector(".photo.loaded")
    assert TOKEN not in other.url
    other.goto(f"{address}#token={TOKEN}")
    other.wait_for_function("() => !location.hash")  # nor does it stay if the browser is signed in
    assert other.locator(".photo.loaded").count()


def test_who_is_signed_in_comes_from_another_site_without_being_asked(visitor, locked):
    """A browser sends the cookie with no request that another site has begun. The page that asks for the token looks again."""
    address, _ = locked
    sessions = Sessions(TOKEN, int(address.rstrip("/").rpartition(":")[2]))
    visitor.context.add_cookies(
        [
            {
                "name": sessions.cookie,
                "value": sessions.sign_in(TOKEN),
                "url": address,
                "sameSite": "Strict",
                "httpOnly": True,
            }
        ]
    )
    visitor.route(
        "http://other.example/",
        lambda route: route.fulfill(body=f'<a href="{address}?q=a+kite">x</a>', content_type="text/html"),
    )
    visitor.goto("http://other.example/")
    visitor.click("a")
    visitor.wait_for_selector(".photo.loaded")
    assert visitor.input_value("#query") == "a kite"
