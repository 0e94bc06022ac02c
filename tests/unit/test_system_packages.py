"""`.ci/system-packages` on made-up machines: what it finds missing, says, runs, and leaves behind."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / ".ci/system-packages"
REAL = ("sh", "cat", "chmod", "grep", "ls", "mv", "rm", "sed")
SERVERS = (
    "mosquitto",
    "mosquitto_pub",
    "rabbitmq-server",
    "postgres",
    "strace",
    "socat",
    "node",
    "npm",
    "mbpoll",
    "tshark",
    "tcpdump",
)
HEADER = "include/modbus/modbus.h"

PYTHON = """
case $2 in
    *version_info*) exit ${OLD:-0} ;;
    *get_python_version*) echo 3.11 ;;
    *get_path*) echo "$LINESIDE_ROOT/include" ;;
    *get_config_var*) echo 'gcc -pthread' ;;
    *ensurepip*) [ -e "$LINESIDE_ROOT/ensurepip" ] ;;
esac
"""
PKG_CONFIG = '[ -e "$LINESIDE_ROOT/$2.pc" ]'
APT_GET = """
echo "apt-get $*" >> "$LINESIDE_ROOT/log"
case $* in
    *update*) exit ${UPDATE:-0} ;;
    *install*)
        cat "$LINESIDE_ROOT/usr/sbin/policy-rc.d" > "$LINESIDE_ROOT/policy-while-installing"
        for name in $DELIVERS; do
            printf '#!/bin/sh\n' > "$LINESIDE_ROOT/usr/$name"; chmod 755 "$LINESIDE_ROOT/usr/$name"
        done ;;
esac
"""


class Machine:
    """A folder that stands for a whole system, and a PATH on which only what a test puts there is found."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.bin = root / "bin"
        self.policy = root / "usr/sbin/policy-rc.d"
        for folder in (
            self.bin,
            self.policy.parent,
            root / "include",
            root / "usr/lib/triplet/sasl2",
            root / "usr/include/modbus",
        ):
            folder.mkdir(parents=True)
        for name in REAL:
            real = shutil.which(name)
            assert real is not None
            (self.bin / name).symlink_to(real)
        self.command("id", "echo ${USER_ID:-1000}")

    def command(self, name: str, body: str = "") -> None:
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
        path.chmod(0o755)

    def file(self, name: str) -> None:
        (self.root / name).touch()

    def run(self, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [SCRIPT, *arguments],
            env={"PATH": str(self.bin), "LINESIDE_ROOT": str(self.root), **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def apt_calls(self) -> list[str]:
        log = self.root / "log"
        return log.read_text(encoding="utf-8").splitlines() if log.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """With apt-get and Python, and nothing else of what Lineside needs."""
    machine = Machine(tmp_path)
    machine.command("python3", PYTHON)
    machine.command("apt-get", APT_GET)
    return machine


@pytest.fixture
def builder(machine: Machine) -> Machine:
    """With everything that a build needs."""
    machine.command("gcc")
    machine.command("pkg-config", PKG_CONFIG)
    for name in ("ensurepip", "include/Python.h", "openssl.pc", "libsasl2.pc", "usr/lib/triplet/sasl2/libplain.so.2"):
        machine.file(name)
    return machine


def test_build_complete_is_silent(builder: Machine) -> None:
    done = builder.run("build")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_build_names_everything_in_one_line(machine: Machine) -> None:
    done = machine.run("build")
    assert done.returncode == 1
    assert (
        "install with: sudo apt-get install --no-install-recommends python3.11-venv python3.11-dev gcc libc6-dev "
        "pkg-config libssl-dev libsasl2-dev libsasl2-modules\n"
    ) in done.stderr
    assert machine.apt_calls() == []


@pytest.mark.parametrize(
    ("gone", "package"),
    [
        ("ensurepip", "python3.11-venv"),
        ("include/Python.h", "python3.11-dev"),
        ("bin/gcc", "gcc libc6-dev"),
        ("openssl.pc", "libssl-dev"),
        ("libsasl2.pc", "libsasl2-dev"),
        ("usr/lib/triplet/sasl2/libplain.so.2", "libsasl2-modules"),
    ],
)
def test_build_names_just_what_is_missing(builder: Machine, gone: str, package: str) -> None:
    (builder.root / gone).unlink()
    done = builder.run("build")
    assert done.returncode == 1
    assert f"--no-install-recommends {package}\n" in done.stderr


def test_compiler_without_c_library_counts_as_missing(builder: Machine) -> None:
    builder.command("gcc", "exit 1")
    assert "gcc libc6-dev" in builder.run("build").stderr


def test_old_python_is_refused(builder: Machine) -> None:
    done = builder.run("build", env={"OLD": "1"})
    assert done.returncode == 1
    assert "'python3' is not Python 3.11 or newer" in done.stderr


def test_missing_servers_are_no_failure_for_a_plain_user(machine: Machine) -> None:
    machine.command("mosquitto")
    done = machine.run("servers")
    assert done.returncode == 0
    assert (
        "install with: sudo apt-get install --no-install-recommends mosquitto-clients rabbitmq-server postgresql strace socat "
        "nodejs npm mbpoll tshark tcpdump libmodbus-dev\n"
    ) in done.stderr
    assert "will be skipped" in done.stderr


def test_missing_servers_fail_ci(machine: Machine) -> None:
    assert machine.run("servers", env={"CI": "true"}).returncode == 1


def test_other_system_gets_names_to_translate(machine: Machine) -> None:
    (machine.bin / "apt-get").unlink()
    done = machine.run("servers", env={"USER_ID": "0"})
    assert done.returncode == 0
    assert "(package rabbitmq-server)" in done.stderr
    assert "apt-get" not in done.stderr


def test_servers_in_sbin_are_found_by_a_plain_user(machine: Machine) -> None:
    for name in SERVERS:
        machine.command(name)
        (machine.bin / name).rename(machine.root / "usr/sbin" / name)
    machine.file(f"usr/{HEADER}")
    done = machine.run("servers", env={"CI": "true"})
    assert (done.returncode, done.stderr) == (0, "")


ROOT_ENV = {"USER_ID": "0", "CI": "true", "DELIVERS": " ".join([*(f"sbin/{name}" for name in SERVERS), HEADER])}


def test_postgresql_is_found_in_debians_folder(machine: Machine) -> None:
    for name in SERVERS:
        machine.command(name)
    machine.file(f"usr/{HEADER}")
    (machine.bin / "postgres").unlink()
    folder = machine.root / "usr/lib/postgresql/15/bin"
    folder.mkdir(parents=True)
    assert "PostgreSQL's server" in machine.run("servers").stderr
    (folder / "postgres").touch()
    assert machine.run("servers", env={"CI": "true"}).stderr == ""


def test_root_installs_and_no_service_starts(machine: Machine) -> None:
    done = machine.run("servers", env=ROOT_ENV)
    assert done.returncode == 0
    assert (
        "running: apt-get install --no-install-recommends mosquitto mosquitto-clients rabbitmq-server postgresql strace socat nodejs "
        "npm mbpoll tshark tcpdump libmodbus-dev\n"
    ) in done.stderr
    assert [call.split()[-1] for call in machine.apt_calls()] == ["update", "libmodbus-dev"]
    held = (machine.root / "policy-while-installing").read_text(encoding="utf-8")
    assert held.startswith("#!/bin/sh\n")
    assert held.endswith("exit 101\n")
    assert not machine.policy.exists()


def test_the_systems_own_policy_is_put_back(machine: Machine) -> None:
    own = "#!/bin/sh\nexit 0\n"
    machine.policy.write_text(own, encoding="utf-8")
    assert machine.run("servers", env=ROOT_ENV).returncode == 0
    assert "exit 101" in (machine.root / "policy-while-installing").read_text(encoding="utf-8")
    assert machine.policy.read_text(encoding="utf-8") == own
    assert sorted(path.name for path in machine.policy.parent.glob("policy*")) == ["policy-rc.d"]


@pytest.mark.parametrize("signal", ["INT", "TERM", "HUP"])
def test_an_interrupted_run_puts_the_policy_back(machine: Machine, signal: str) -> None:
    own = "#!/bin/sh\nexit 0\n"
    machine.policy.write_text(own, encoding="utf-8")
    machine.command("apt-get", f'case $* in *install*) kill -{signal} "$PPID" ;; esac\n{APT_GET}')
    assert machine.run("servers", env=ROOT_ENV).returncode in {130, 143}
    assert machine.policy.read_text(encoding="utf-8") == own


def test_the_next_run_mends_what_a_killed_one_left(machine: Machine) -> None:
    own = "#!/bin/sh\nexit 0\n"
    machine.policy.write_text(own, encoding="utf-8")
    # The second run finds nothing missing any more.
    killer = f'case $* in *install*) kill -KILL "$PPID" ;; esac\n{APT_GET}'
    machine.command("apt-get", killer)
    assert machine.run("servers", env=ROOT_ENV).returncode != 0
    machine.command("apt-get", APT_GET)
    assert machine.run("servers", env=ROOT_ENV).returncode == 0
    assert machine.policy.read_text(encoding="utf-8") == own


def test_new_services_are_disabled_and_only_those(machine: Machine) -> None:
    machine.command("mosquitto")
    machine.command("systemctl", 'echo "$*" >> "$LINESIDE_ROOT/systemctl"')
    assert machine.run("servers", env=ROOT_ENV).returncode == 0
    calls = (machine.root / "systemctl").read_text(encoding="utf-8").splitlines()
    assert calls == [
        f"disable {unit}" for unit in ("rabbitmq-server.service", "epmd.service", "epmd.socket", "postgresql.service")
    ]


def test_what_apt_did_not_bring_fails_under_ci(machine: Machine) -> None:
    done = machine.run("servers", env=ROOT_ENV | {"DELIVERS": "sbin/mosquitto", "UPDATE": "100"})
    assert done.returncode == 1
    assert "apt-get update failed" in done.stderr
    still = done.stderr.partition("still missing:")[2]
    assert "rabbitmq-server" in still
    assert "the Mosquitto broker" not in still


@pytest.mark.parametrize("arguments", [(), ("everything",)])
def test_wrong_usage(machine: Machine, arguments: tuple[str, ...]) -> None:
    assert machine.run(*arguments).returncode == 2


def test_script_is_executable() -> None:
    assert os.access(SCRIPT, os.X_OK)
