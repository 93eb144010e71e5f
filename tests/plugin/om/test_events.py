"""What becomes of OM's events that fail."""

import numpy as np
import pytest

from specklenn.plugin.om.events import (
    ARRIVED,
    FAILURE,
    WAITED,
    GuardedEvents,
    GuardedRetrieval,
)


class Handler:
    """Hands out numbered events like OM's: one dictionary, used again and again."""

    def __init__(self, number, dies_at=None, unreadable=(), broken=()):
        self.number, self.dies_at = number, dies_at
        self.unreadable, self.broken = unreadable, broken
        self.closed = []

    def event_generator(self, *, node_rank, node_pool_size):
        event = {"additional_info": {}}
        for number in range(self.number):
            if number == self.dies_at:
                raise FileNotFoundError("no\nfile 3")
            event["additional_info"] = {"timestamp": 100.0 + number, "number": number}
            yield event

    def open_event(self, *, event):
        if event["additional_info"]["number"] in self.unreadable:
            raise ValueError("truncated")

    def extract_data(self, *, event):
        number = event["additional_info"]["number"]
        if number in self.broken:
            raise KeyError("detector")
        return {"timestamp": 100.0 + number, "detector_data": np.full((2, 2), number)}

    def close_event(self, *, event):
        self.closed.append(event["additional_info"]["number"])


def run(events):
    """Do what OM's loop does; returns the data of all events."""
    found = []
    for event in events.event_generator(node_rank=1, node_pool_size=2):
        events.open_event(event=event)
        found.append(events.extract_data(event=event))
        events.close_event(event=event)
    return found


def test_good_events_pass_with_the_time_they_came(clock):
    handler = Handler(3)

    found = run(GuardedEvents(handler, clock))

    assert [data["detector_data"][0, 0] for data in found] == [0, 1, 2]
    assert {data[ARRIVED] for data in found} == {clock.wall_ns()}
    assert {data[WAITED] for data in found} == {0}
    assert handler.closed == [0, 1, 2]


def test_how_long_om_waited_for_an_event_is_told_without_what_came_between(clock):
    class Slow(Handler):
        def event_generator(self, *, node_rank, node_pool_size):
            for event in super().event_generator(node_rank=1, node_pool_size=2):
                clock.sleep(0.5)
                yield event

        def close_event(self, *, event):
            clock.sleep(7)

    found = run(GuardedEvents(Slow(3), clock))

    assert [data[WAITED] for data in found] == [0.5, 0.5, 0.5]


def test_events_that_cannot_be_opened_or_read_come_without_a_frame(clock):
    handler = Handler(4, unreadable=[1], broken=[2])

    found = run(GuardedEvents(handler, clock))

    assert [data["timestamp"] for data in found] == [100, 101, 102, 103]
    assert ["detector_data" in data for data in found] == [True, False, False, True]
    assert handler.closed == [0, 3]


def test_a_failure_of_om_comes_last_and_as_a_sentence(clock):
    found = run(GuardedEvents(Handler(9, dies_at=3), clock))

    assert len(found) == 4
    assert found[-1] == {FAILURE: "FileNotFoundError: no file 3"}


def test_no_event_comes_after_a_stop(clock):
    events = GuardedRetrieval(_Retrieval(Handler(9)), clock).get_data_event_handler()
    generator = events.event_generator(node_rank=1, node_pool_size=2)
    next(generator)

    events.stop()

    with pytest.raises(StopIteration):
        next(generator)


class _Retrieval:
    def __init__(self, handler):
        self.handler = handler

    def get_data_event_handler(self):
        return self.handler
