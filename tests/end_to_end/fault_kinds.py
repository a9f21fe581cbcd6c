"""What is done to a run and its hosts."""

import os
import signal
import subprocess
from collections.abc import Iterable
from contextlib import suppress

from rollout.errors import LabError, LeaseLost, Locked
from rollout.executors._unit import Unit
from rollout.journal import Life, Owner
from tests.end_to_end import besieged
from tests.end_to_end.faults_by_chance import ELSEWHERE, Fault, Round, host_of, is_playing

Struck = Iterable[str] | None
NOBODY: tuple[str, ...] = ()
JOB = "pgrep -f 'guard-.* [_]job'"
"""The shell that asks does not find itself."""


def controller(siege: Round) -> Struck:
    siege.strike_down()
    siege.restart()
    return NOBODY


def controller_twice(siege: Round) -> Struck:
    """The next one is hit while it starts or takes up."""
    siege.strike_down()
    siege.restart()
    siege.pause(siege.chance.uniform(0.2, 2.5))
    return controller(siege)


def told_twice(siege: Round) -> Struck:
    """SIGTERM, and again before the safe stop has come to its end."""
    siege.controller.terminate()
    siege.pause(siege.chance.uniform(0.0, 1.0))
    siege.controller.terminate()
    siege.controller.wait(60)
    siege.restart()
    return NOBODY


def playbook(siege: Round) -> Struck:
    unit = siege.unit(is_playing)
    return [host_of(unit)] if unit and kill_playbook(unit) else None


def supervisor(siege: Round) -> Struck:
    unit = siege.unit()
    return [host_of(unit)] if unit and siege.operator.kill_supervisor(unit) else None


def playbook_and_supervisor(siege: Round) -> Struck:
    unit = siege.unit(is_playing)
    return [host_of(unit)] if unit and kill_playbook(unit) and siege.operator.kill_supervisor(unit) else None


def whole_machine(siege: Round) -> Struck:
    """Controller, supervisors and Ansible at once, as when the controller's machine loses its power."""
    if siege.unit() is None:
        return None
    siege.strike_down()
    units = siege.units()
    struck = [host_of(unit) for unit in units if siege.operator.kill_supervisor(unit)]
    siege.restart()
    return struck


def kill_playbook(unit: Unit) -> bool:
    pid = unit.playbook()
    if pid is None:
        return False
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        return True
    return False


def sessions(siege: Round) -> Struck:
    """All of sshd's sessions on a host in the middle of a step."""
    unit = siege.unit(is_playing)
    while unit and is_playing(unit):
        if on(siege, host_of(unit), "pkill -KILL -f '[s]shd: root' && echo killed"):
            return [host_of(unit)]
        siege.pause(0.2)  # Ansible is only about to connect
    return None


def on(siege: Round, host: str, script: str) -> str:
    """What it prints on the host; nothing of a host that has no power, or boots."""
    try:
        return siege.operator.on(host, script)
    except LabError:
        return ""


def sshd(siege: Round) -> Struck:
    """sshd as well, for some seconds."""
    return strike(siege, "sshd-dies", siege.chance.uniform(0.5, 4.0))


def link(siege: Round) -> Struck:
    return strike(siege, "link-cut", siege.chance.uniform(0.5, 8.0))


def strike(siege: Round, fault: str, seconds: float) -> Struck:
    unit = siege.unit(is_playing)
    if unit is None:
        return None
    host, lab = host_of(unit), siege.operator.lab
    lab.fault(host, fault)

    def clear() -> None:
        try:
            lab.clear(host, fault)
        except LabError:  # a reboot ends some
            if fault in lab.host(host).faults:
                raise

    siege.later(seconds, clear)
    return [host]


def power(siege: Round) -> Struck:
    """Of a host in the middle of its upgrade, for a moment."""
    unit = siege.unit(lambda unit: is_playing(unit) and unit.path.name.startswith("upgrade."))
    while unit and is_playing(unit) and not on(siege, host_of(unit), JOB):
        siege.pause(0.2)
    if unit is None or not is_playing(unit):
        return None
    siege.pause(siege.chance.uniform(0.0, besieged.JOB_SECONDS - 1))
    host, lab = host_of(unit), siege.operator.lab
    lab.power(host, "off")
    siege.later(siege.chance.uniform(0.5, 3.0), lambda: lab.power(host, "on"))
    return [host]


def database(siege: Round) -> Struck:
    """An immediate restart of PostgreSQL, which is away for a moment."""
    if siege.server is None:
        return None
    siege.server.stop(signal.SIGQUIT)
    siege.pause(siege.chance.uniform(0.0, 2.0))
    siege.server.start()
    return NOBODY


def race(siege: Round) -> Struck:
    """Two controllers begin in the same moment after the death of one: one of them is to be refused."""
    siege.strike_down()
    siege.restart()
    first = siege.controller
    siege.restart()
    both = [first, siege.controller]
    siege.wait_until(lambda: any(one.poll() is not None for one in both), "one of two is refused")
    over = [one for one in both if one.poll() is not None]
    if not any(one.returncode == Locked.exit_code for one in over):
        siege.notes.append(f"of two controllers {[one.poll() for one in both]}: none was refused")
    siege.controller = next((one for one in both if one not in over), over[0])
    if over[0] is siege.controller:
        siege.restart()
    return NOBODY


def frozen(siege: Round) -> Struck:
    """A controller of another machine is stopped, taken over, and woken up: it is to write and begin nothing more."""
    siege.strike_down()
    siege.controller = siege.start(foreign=True, take_over=True)
    old = siege.controller
    siege.wait_until(lambda: old.poll() is not None or holds(siege, ELSEWHERE), "it has the run")
    siege.pause(siege.chance.uniform(0.0, 2.5))
    if old.poll() is not None:
        return None
    old.send_signal(signal.SIGSTOP)
    siege.pause(0.2)
    if not holds(siege, ELSEWHERE):  # it had just come to its end
        old.send_signal(signal.SIGCONT)
        return None
    try:
        take_over(siege)
        siege.wait_until(
            lambda: siege.controller.poll() is not None or not holds(siege, ELSEWHERE), "the next has it"
        )
        siege.pause(siege.chance.uniform(0.5, 4.0))
    finally:
        old.send_signal(signal.SIGCONT)
    ended_with(siege, old)
    return NOBODY


def take_over(siege: Round) -> None:
    """Without a person where a lease lapses, if this round has the time."""
    if siege.server is not None and siege.lapses:
        siege.wait_until(lambda: life(siege) in {None, Life.LAPSED}, "the lease lapses")
        siege.controller = siege.start()
    else:
        siege.restart()


def life(siege: Round) -> Life | None:
    row = siege.row()
    return row.life(Owner.current()) if row else None


def holds(siege: Round, machine: str) -> bool:
    row = siege.row()
    return row is not None and row.owner is not None and row.owner.machine == machine


def ended_with(siege: Round, old: subprocess.Popen[str]) -> None:
    """It finds at its next write, or sign of life, that the run is another's."""
    siege.wait_until(lambda: old.poll() is not None, "the one that was frozen ends")
    if old.returncode != LeaseLost.exit_code:
        siege.notes.append(f"the one that was frozen ended with {old.returncode}")


KINDS: dict[str, Fault] = {
    "kill -9 controller": controller,
    "kill -9 controller, and the next": controller_twice,
    "SIGTERM twice": told_twice,
    "kill -9 ansible-playbook": playbook,
    "kill -9 supervisor": supervisor,
    "kill -9 Ansible and supervisor": playbook_and_supervisor,
    "kill -9 all of the controller's machine": whole_machine,
    "kill sshd's sessions": sessions,
    "kill sshd for seconds": sshd,
    "link cut for seconds": link,
    "power cut in mid-upgrade": power,
    "two controllers race": race,
    "controller frozen, taken over, woken": frozen,
}
POSTGRESQL: dict[str, Fault] = {"PostgreSQL restarts immediately": database}
KINDS.update(POSTGRESQL)
