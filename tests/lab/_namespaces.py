# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Linux namespaces: the process tree of the lab, and sockets in other networks.

The tree has an init of its own. When the init ends, the kernel kills every process of the tree and
then removes its mounts and networks. Therefore the init must end in every case: the command ended,
the init was killed, or the launcher was killed (the kernel then kills the init,
`PR_SET_PDEATHSIG`).
"""

import concurrent.futures
import ctypes
import http.client
import os
import pathlib
import signal
import socket
import subprocess
import sys
import typing
import uuid

RUNTIME = pathlib.Path("/run/lab")
"""Scratch space inside: a tmpfs that only the tree sees and that ends with it."""
NETNS = pathlib.Path("/run/netns")
"""The folder in which `ip netns` keeps names; inside, the tree has its own."""
RUN_ID = "LAB_RUN_ID"
"""Environment variable that every process of a tree inherits."""

_CLONE_NEWNS = 0x00020000
_CLONE_NEWUTS = 0x04000000
_CLONE_NEWIPC = 0x08000000
_CLONE_NEWPID = 0x20000000
_CLONE_NEWNET = 0x40000000
_PR_SET_PDEATHSIG = 1
_MS_NOSUID_NODEV_NOEXEC = 2 | 4 | 8
_MS_BIND = 0x1000
_MS_REC_PRIVATE = 0x4000 | 1 << 18
_SI_KERNEL = 0x80
_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)

_T = typing.TypeVar("_T")
_libc = ctypes.CDLL(None, use_errno=True)


class NotInsideError(RuntimeError):
    """The lab was used outside of its namespaces."""

    def __init__(self) -> None:
        super().__init__(
            "the lab runs only in namespaces of its own: python -m tests.lab.run -- <command>"
        )


def inside() -> bool:
    """Return whether this process is in a tree made by `run`."""
    return RUN_ID in os.environ and RUNTIME.is_dir()


def socket_in(namespace: str, make: typing.Callable[[], socket.socket]) -> socket.socket:
    """Make a socket in another network namespace.

    Args:
        namespace: Its name for `ip netns`.
        make: Called there; the socket stays in that namespace for all later users.

    Raises:
        OSError: There is no such namespace, or what `make` raised.
    """
    return call_in(namespace, make)


def call_in(namespace: str, make: typing.Callable[[], _T]) -> _T:
    """Call a function in another network namespace.

    It runs in a thread of its own: a thread can be in a namespace other than its process's.

    Raises:
        OSError: There is no such namespace, or what `make` raised.
    """

    def enter_and_make() -> _T:
        descriptor = os.open(NETNS / namespace, os.O_RDONLY)
        try:
            _check(_libc.setns(descriptor, _CLONE_NEWNET))
        finally:
            os.close(descriptor)
        return make()

    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as executor:
        return executor.submit(enter_and_make).result()


def get(namespace: str, port: int, path: str, address: str = "127.0.0.1") -> str:
    """Return the body of the answer to an HTTP GET sent from within another network namespace.

    Raises:
        OSError: There is no answer, or its status is not 200.
        http.client.HTTPException: The answer is not HTTP.
    """
    where = (address, port)
    connection = http.client.HTTPConnection(*where, timeout=5)
    connection.sock = socket_in(namespace, lambda: socket.create_connection(where, timeout=5))
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        if response.status != 200:
            raise OSError(f"{path}: {response.status}")
        return response.read().decode()
    finally:
        connection.close()


def run(command: list[str], environment: dict[str, str]) -> int:
    """Run a command in new pid, mount, network, UTS and IPC namespaces, until it ends.

    Ctrl-C on a terminal reaches the command as usual; signals to this process are passed on.
    This process itself moves into the new namespaces, so the caller should exit afterwards.

    Args:
        command: What to run; looked up on PATH.
        environment: Its complete environment; `RUN_ID` is added.

    Returns:
        The command's exit status, or 128 plus the number of the signal that ended it.
    """
    environment = {RUN_ID: uuid.uuid4().hex, **environment}
    signal.pthread_sigmask(signal.SIG_BLOCK, {*_FORWARDED, signal.SIGCHLD})
    alive, keep_open = os.pipe()
    _check(
        _libc.unshare(_CLONE_NEWPID | _CLONE_NEWNS | _CLONE_NEWNET | _CLONE_NEWUTS | _CLONE_NEWIPC)
    )
    init = os.fork()
    if init == 0:
        os.close(keep_open)
        _become_init(alive, command, environment)
    os.close(alive)
    return _wait(init)


def _become_init(alive: int, command: list[str], environment: dict[str, str]) -> typing.NoReturn:
    status = 1
    try:
        _check(_libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))
        os.set_blocking(alive, False)
        try:
            os.read(alive, 1)
        except (
            BlockingIOError
        ):  # The launcher still holds the other end, so its death will send the signal above.
            _prepare()
            child = os.posix_spawnp(command[0], command, environment, setsigmask=[])
            status = _wait(child)
    except OSError as error:
        print(f"{command[0]}: {error}", file=sys.stderr)
    finally:
        sys.stderr.flush()
        os._exit(status)


def _prepare() -> None:
    _mount("none", "/", "", _MS_REC_PRIVATE)
    _mount("proc", "/proc", "proc", _MS_NOSUID_NODEV_NOEXEC)
    # The machine's runtime state must not be visible inside, nor the lab's outside.
    _mount("tmpfs", "/run", "tmpfs", 0)
    NETNS.mkdir()
    RUNTIME.mkdir()
    hosts = RUNTIME / "hosts"
    hosts.write_text(f"127.0.0.1 localhost {socket.gethostname()}\n")
    _mount(str(hosts), "/etc/hosts", "", _MS_BIND)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def _mount(source: str, target: str, kind: str, flags: int) -> None:
    _check(_libc.mount(source.encode(), target.encode(), kind.encode(), flags, None))


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _wait(pid: int) -> int:
    """Pass signals on to a child until it ends; reap other processes that end meanwhile."""
    while True:
        received = signal.sigwaitinfo({*_FORWARDED, signal.SIGCHLD})
        if received.si_signo != signal.SIGCHLD:
            # A terminal signals the foreground process group, which includes the child.
            if received.si_code != _SI_KERNEL:
                os.kill(pid, received.si_signo)
            continue
        while True:
            try:
                ended, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return 1
            if ended == pid:
                code = os.waitstatus_to_exitcode(status)
                return code if code >= 0 else 128 - code
            if ended == 0:
                break
