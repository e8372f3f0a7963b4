from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.hub.seen_window import MAX_UNSEEN_FRAMES, NeverSent, SeenWindow


def test_frames_are_numbered_from_one() -> None:
    window = SeenWindow(100)

    assert [window.sent(10), window.sent(10)] == [1, 2]


def test_window_is_full_past_its_limit_and_opens_when_frames_are_seen() -> None:
    window = SeenWindow(100)
    window.sent(60)
    window.sent(40)
    assert not window.is_full()

    window.sent(1)
    assert window.is_full()

    assert window.seen(1)
    assert not window.is_full()
    assert window.unseen_bytes == 41


def test_window_is_half_full_before_it_is_full() -> None:
    window = SeenWindow(100)
    window.sent(50)
    assert not window.is_half_full()

    window.sent(1)
    assert window.is_half_full()
    assert not window.is_full()

    window.seen(1)
    assert not window.is_half_full()


def test_seen_is_cumulative_and_an_old_number_changes_nothing() -> None:
    window = SeenWindow(100)
    for _ in range(3):
        window.sent(10)

    assert window.seen(2)
    assert not window.seen(2)
    assert not window.seen(1)
    assert not window.seen(0)
    assert window.unseen_bytes == 10


def test_a_frame_from_the_future_cannot_be_seen() -> None:
    window = SeenWindow(100)
    window.sent(10)

    with pytest.raises(NeverSent):
        window.seen(2)

    assert window.unseen_bytes == 10


def test_number_of_small_frames_is_limited_too() -> None:
    window = SeenWindow(10**9)
    for _ in range(MAX_UNSEEN_FRAMES):
        assert not window.is_full()
        window.sent(1)

    assert window.is_full()
    window.seen(MAX_UNSEEN_FRAMES // 2)
    assert window.is_half_full()
    window.seen(MAX_UNSEEN_FRAMES // 2 + 1)
    assert not window.is_half_full()


@given(st.lists(st.one_of(st.integers(1, 1_000), st.just(None)), max_size=60), st.data())
def test_unseen_bytes_are_those_of_the_frames_after_the_last_seen(
    steps: list[int | None], data: st.DataObject
) -> None:
    window = SeenWindow(10**6)
    sizes: list[int] = []
    seen = 0
    for size in steps:
        if size is None:
            frame = data.draw(st.integers(0, len(sizes)))
            window.seen(frame)
            seen = max(seen, frame)
        else:
            assert window.sent(size) == len(sizes) + 1
            sizes.append(size)

        assert window.unseen_bytes == sum(sizes[seen:])
