from __future__ import annotations

from simulators.kernel import Kernel, Process, Until


def run(kernel: Kernel) -> None:
    while kernel.advance():
        pass


def test_processes_run_in_order_of_time() -> None:
    kernel, log = Kernel(), []

    def process(name: str, *delays: float) -> Process:
        for delay in delays:
            yield delay
            log.append((kernel.now, name))

    kernel.start(process("a", 3.0, 3.0))
    kernel.start(process("b", 1.0, 2.0, 1.0))
    run(kernel)
    assert log == [(1.0, "b"), (3.0, "a"), (3.0, "b"), (4.0, "b"), (6.0, "a")]


def test_a_condition_is_seen_at_the_moment_it_holds() -> None:
    kernel, done, log = Kernel(), [False], []

    def waiter() -> Process:
        held = yield Until(lambda: done[0])
        log.append((kernel.now, held))

    def other() -> Process:
        yield 2.0
        done[0] = True
        yield 5.0

    kernel.start(waiter())
    kernel.start(other())
    run(kernel)
    assert log == [(2.0, True)]
    assert kernel.now == 7.0


def test_a_wait_ends_with_false_when_time_is_out_and_its_timer_is_void_otherwise() -> None:
    kernel, done, log = Kernel(), [False], []

    def waiter() -> Process:
        held = yield Until(lambda: done[0], 1.0)
        log.append((kernel.now, held))
        held = yield Until(lambda: done[0], 10.0)
        log.append((kernel.now, held))
        held = yield 20.0
        log.append((kernel.now, held))

    def other() -> Process:
        yield 3.0
        done[0] = True

    kernel.start(waiter())
    kernel.start(other())
    run(kernel)
    assert log == [(1.0, False), (3.0, True), (23.0, True)]


def test_a_process_may_start_others_and_waiting_for_ever_ends_the_run() -> None:
    kernel, log = Kernel(), []

    def child() -> Process:
        yield 1.0
        log.append(kernel.now)

    def parent() -> Process:
        yield 1.0
        kernel.start(child())
        yield Until(lambda: False)

    kernel.start(parent())
    run(kernel)
    assert log == [2.0]
    assert not kernel.advance()


def test_due_tells_when_something_happens_next_and_does_nothing() -> None:
    kernel, done = Kernel(), [False]

    def waiter() -> Process:
        yield Until(lambda: done[0], 10.0)
        yield 5.0

    def other() -> Process:
        yield 3.0
        done[0] = True

    kernel.start(waiter())
    kernel.start(other())
    found = [kernel.due()]
    while kernel.advance():
        found.append(kernel.due())
    assert found == [0.0, 0.0, 3.0, 3.0, 8.0, float("inf")]  # not 10: that wait is over before its time
    assert kernel.now == 8.0
