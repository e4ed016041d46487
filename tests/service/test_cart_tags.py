"""Entity tags: what is known is not sent again, and nothing is written over another version."""

from tests.support import carts
from tests.support.carts import Shopper, problem_of


def test_known_version_is_not_sent_again(shopper: Shopper) -> None:
    tag = shopper.add().headers["etag"]
    get = shopper.client.get
    for header in (tag, f'"other", W/{tag}', "*"):
        answer = get(shopper.path, headers={"if-none-match": header})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == tag
    shopper.add()
    assert get(shopper.path, headers={"if-none-match": tag}).status_code == 200


def test_star_does_not_match_a_cart_that_is_not_there(shopper: Shopper) -> None:
    answer = shopper.client.get(shopper.path, headers={"if-none-match": "*"})
    assert answer.status_code == 200


def test_write_to_another_version_is_refused(shopper: Shopper) -> None:
    old = shopper.add().headers["etag"]
    tag = shopper.add().headers["etag"]
    client, item = shopper.client, shopper.item_path("mug")
    headers = {"if-match": old}
    refused = [
        shopper.add(headers=headers),
        client.put(item, json={"quantity": 9}, headers=headers),
        client.delete(item, headers=headers),
        client.delete(shopper.path, headers=headers),
        client.post(carts.CHECKOUT, json={"customer_id": shopper.customer_id}, headers=headers),
    ]
    for answer in refused:
        problem = problem_of(answer, 412, "precondition-failed")
        assert problem["current_version"] == 2
        assert answer.headers["etag"] == tag
    assert shopper.cart()["version"] == 2
    assert shopper.add(headers={"if-match": f'"x", {tag}'}).status_code == 201


def test_two_headers_are_one_list(shopper: Shopper) -> None:
    tag = shopper.add().headers["etag"]
    item = shopper.item_path("mug")
    for tags in (('"x"', tag), (tag, '"x"')):
        headers = [("If-Match", each) for each in tags]
        answer = shopper.client.put(item, json={"quantity": 1}, headers=headers)
        assert answer.status_code == 200
        known = [("If-None-Match", each) for each in tags]
        assert shopper.client.get(shopper.path, headers=known).status_code == 304


def test_first_add_can_demand_that_there_is_no_cart(shopper: Shopper) -> None:
    problem_of(shopper.add(headers={"if-match": "*"}), 412, "precondition-failed")
    assert shopper.add(headers={"if-match": '"empty"'}).status_code == 201
    problem_of(shopper.add(headers={"if-match": '"empty"'}), 412, "precondition-failed")
    assert shopper.add(headers={"if-match": "*"}).status_code == 201


def test_weak_tag_never_allows_a_write(shopper: Shopper) -> None:
    tag = shopper.add().headers["etag"]
    problem_of(shopper.add(headers={"if-match": f"W/{tag}"}), 412, "precondition-failed")


def test_quoted_star_is_a_tag_that_no_cart_has(shopper: Shopper) -> None:
    shopper.add()
    problem_of(shopper.add(headers={"if-match": '"*"'}), 412, "precondition-failed")
    answer = shopper.client.get(shopper.path, headers={"if-none-match": '"*"'})
    assert answer.status_code == 200


def test_tag_that_is_none_is_an_invalid_header(shopper: Shopper) -> None:
    problem_of(shopper.add(headers={"if-match": "1"}), 400, "invalid-header")
    answer = shopper.client.get(shopper.path, headers={"if-none-match": '"open'})
    problem_of(answer, 400, "invalid-header")
