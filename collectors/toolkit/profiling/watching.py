"""`@fun_watch`, for each kind of function.

What stands around the call of a plain function is paid in every call, so it is written out: `make bench` measures it.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextvars import Token
from functools import wraps
from pathlib import PurePath
from time import perf_counter_ns
from typing import Any, ParamSpec, TypeVar, overload

from collectors.toolkit.profiling.aggregates import FOLD_AT, Cell, Frame, Function, Watch, tell_once
from collectors.toolkit.profiling.context import CURRENT
from collectors.toolkit.profiling.sizes import Sizes, TaskSize
from collectors.toolkit.profiling.tracking import Tracker
from collectors.toolkit.profiling.tracking import tracker as own_tracker

_F = TypeVar("_F", bound=Callable[..., Any])
_P = ParamSpec("_P")
_R = TypeVar("_R")

_get, _set, _reset = CURRENT.get, CURRENT.set, CURRENT.reset


@overload
def fun_watch(function: _F, /) -> _F: ...
@overload
def fun_watch(*, task_size: TaskSize = "auto", tracker: Tracker | None = None) -> Callable[[_F], _F]: ...
def fun_watch(function: Any = None, /, *, task_size: TaskSize = "auto", tracker: Tracker | None = None) -> Any:
    """Count and time the calls of a function or method: plain, async, generator or async generator.

    `task_size="auto"` takes the length of the first positional argument that has one (text has none), a number is the
    size of every call, None none. What the function returns and raises does not change. `tracker` is that of the
    process unless a test wants its own. Raises `TypeError` for what is no function.
    """
    if task_size is not None and task_size != "auto" and (type(task_size) is not int or task_size < 0):
        raise TypeError(f'task_size is "auto", None or a number of things, not {task_size!r}.')

    def decorate(target: Any) -> Any:
        return _watched(target, task_size, tracker if tracker is not None else own_tracker)

    return decorate if function is None else decorate(function)


def _watched(target: Any, task_size: TaskSize, tracker: Tracker) -> Any:
    if isinstance(target, (staticmethod, classmethod)):
        return type(target)(_watched(target.__func__, task_size, tracker))
    if isinstance(target, type) or not callable(target) or not hasattr(target, "__qualname__"):
        raise TypeError(f"fun_watch goes on functions and methods, not on {target!r}: write it right above a def.")
    watch = tracker.watch(_function(target))
    sizes = Sizes(target, task_size)
    if inspect.isasyncgenfunction(target):
        return _watch_async_generator(target, watch, sizes)
    if inspect.iscoroutinefunction(target):
        return _watch_async(target, watch, sizes)
    if inspect.isgeneratorfunction(target):
        return _watch_generator(target, watch, sizes)
    return _watch_plain(target, watch, sizes)


def _function(target: Any) -> Function:
    module = str(target.__module__ or "")
    code = getattr(inspect.unwrap(target), "__code__", None)
    path = PurePath(code.co_filename if code is not None else "")
    depth = module.count(".") + (2 if path.stem == "__init__" else 1)
    return Function(module, str(target.__qualname__), "/".join(path.parts[-depth:]))


def _watch_plain(function: Callable[_P, _R], watch: Watch, sizes: Sizes) -> Callable[_P, _R]:
    has_size, may_have_size, note_size = sizes.fixed is not None, sizes.first is not None, sizes.note

    @wraps(function)
    def watched(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        outer = _get()
        cell = watch.cells.get(outer[0] if outer is not None else None) or watch.cell_under(outer)
        if has_size or (may_have_size and args):
            note_size(cell, args)
        token = _set((watch, outer))
        start = perf_counter_ns()
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            cell.count(perf_counter_ns() - start, error)
            _reset(token)
            raise
        end = perf_counter_ns()
        _reset(token)
        # Cell.count, written out.
        cell.samples.append(end - start)
        cell.last_end = end
        if len(cell.samples) >= FOLD_AT:
            _fold(cell)
        return result

    return watched


def _watch_async(function: Callable[_P, Awaitable[_R]], watch: Watch, sizes: Sizes) -> Callable[_P, Awaitable[_R]]:
    @wraps(function)
    async def watched(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        outer = _get()
        cell = watch.cells.get(outer[0] if outer is not None else None) or watch.cell_under(outer)
        sizes.note(cell, args)
        token = _set((watch, outer))
        start = perf_counter_ns()
        try:
            result = await function(*args, **kwargs)
        except BaseException as error:
            cell.count(perf_counter_ns() - start, error)
            _leave(token)
            raise
        cell.count(perf_counter_ns() - start)
        _leave(token)
        return result

    return watched


def _watch_generator(
    function: Callable[_P, Generator[Any, Any, Any]], watch: Watch, sizes: Sizes
) -> Callable[_P, Generator[Any, Any, Any]]:
    @wraps(function)
    def watched(*args: _P.args, **kwargs: _P.kwargs) -> Generator[Any, Any, Any]:
        outer = _get()
        cell = watch.cell_under(outer)
        sizes.note(cell, args)
        timed = _Timed(function(*args, **kwargs), (watch, outer))
        try:
            result = yield from timed
        except BaseException as error:
            cell.count(timed.spent_ns, error)
            raise
        cell.count(timed.spent_ns)
        return result

    return watched


class _Timed(Generator[Any, Any, Any]):
    """A generator that measures the time inside of another, and is its current call meanwhile."""

    def __init__(self, inner: Generator[Any, Any, Any], frame: Frame) -> None:
        self.inner, self.frame = inner, frame
        self.spent_ns = 0

    def send(self, value: Any) -> Any:
        return self._resume(self.inner.send, value)

    def throw(self, *error: Any) -> Any:
        return self._resume(self.inner.throw, *error)

    def _resume(self, step: Callable[..., Any], *values: Any) -> Any:
        token = _set(self.frame)
        start = perf_counter_ns()
        try:
            return step(*values)
        finally:
            self.spent_ns += perf_counter_ns() - start
            _reset(token)


def _watch_async_generator(
    function: Callable[_P, AsyncGenerator[Any, Any]], watch: Watch, sizes: Sizes
) -> Callable[_P, AsyncGenerator[Any, Any]]:
    @wraps(function)
    async def watched(*args: _P.args, **kwargs: _P.kwargs) -> AsyncGenerator[Any, Any]:
        outer = _get()
        cell = watch.cell_under(outer)
        sizes.note(cell, args)
        inner, timed = function(*args, **kwargs), _TimedSteps((watch, outer))
        problem: BaseException | None = None
        step: Awaitable[Any] = inner.asend(None)
        try:
            while True:
                value = await timed.take(step)
                try:
                    sent = yield value
                except GeneratorExit:
                    raise
                except BaseException as error:  # noqa: BLE001 - whatever is thrown in is the inner one's to handle
                    step = inner.athrow(error)
                else:
                    step = inner.asend(sent)
        except StopAsyncIteration:
            return
        except BaseException as error:
            problem = error
            raise
        finally:
            try:
                await timed.take(inner.aclose())
            finally:
                cell.count(timed.spent_ns, problem)

    return watched


class _TimedSteps:
    """Measures the time inside of an async generator, and makes it the current call meanwhile."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.spent_ns = 0

    async def take(self, step: Awaitable[_R]) -> _R:
        token = _set(self.frame)
        start = perf_counter_ns()
        try:
            return await step
        finally:
            self.spent_ns += perf_counter_ns() - start
            _leave(token)


def _leave(token: Token[Frame | None]) -> None:
    """Back to the outer call. A coroutine that is closed from elsewhere ends in a context that was never ours."""
    try:
        _reset(token)
    except ValueError:
        return


def _fold(cell: Cell) -> None:
    try:
        cell.fold()
    except Exception as error:  # noqa: BLE001 - the watched function goes on, whatever we did wrong
        tell_once(cell.watch.function.qualname, error)
