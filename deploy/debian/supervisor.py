"""Stands in for systemd: reads the installed unit, starts what it says as whom it says, and follows its notices.

    supervisor.py UNIT SCRIPT

SCRIPT is run once the service is ready, with MAINPID set; then the service is stopped. It fails if the service is not ready in
time, does not say that it stops, or ends with another code than 0.
"""

import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

LIMIT = 90


def read(path):
    """The settings of [Service], those that may be given several times as lists."""
    settings, section = {}, None
    for line in pathlib.Path(path).read_text().splitlines():
        if line.startswith("["):
            section = line
        elif section == "[Service]" and "=" in line and not line.startswith("#"):
            name, value = line.split("=", 1)
            settings.setdefault(name, []).append(value)
    return settings


def main(unit, script):
    service = read(unit)
    user, group = service["User"][0], service["Group"][0]
    folder = pathlib.Path(tempfile.mkdtemp())
    folder.chmod(0o711)
    notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notices.bind(str(folder / "notify"))
    (folder / "notify").chmod(0o777)
    notices.settimeout(1)
    credentials = folder / "credentials"
    credentials.mkdir()
    for credential in service["LoadCredential"]:
        name, source = credential.split(":", 1)
        shutil.copy(source, credentials / name)
        (credentials / name).chmod(0o400)
        shutil.chown(credentials / name, user, group)
    shutil.chown(credentials, user, group)
    for kind, base in (("RuntimeDirectory", "/run"), ("LogsDirectory", "/var/log")):
        made = pathlib.Path(base) / service[kind][0]
        made.mkdir(mode=int(service[kind + "Mode"][0], 8), exist_ok=True)
        shutil.chown(made, user, group)
    bounds = [f"+{name.removeprefix('CAP_').lower()}" for name in service["AmbientCapabilities"][0].split()]
    command = ["setpriv", f"--reuid={user}", f"--regid={group}", "--init-groups", "--no-new-privs"]
    command += [f"--inh-caps=-all,{','.join(bounds)}", f"--ambient-caps=-all,{','.join(bounds)}"]
    command += [f"--bounding-set=-all,{','.join(bounds)}", *service["ExecStart"][0].split()]
    environment = {
        "PATH": os.environ["PATH"],
        "NOTIFY_SOCKET": str(folder / "notify"),
        "CREDENTIALS_DIRECTORY": str(credentials),
    }
    child = subprocess.Popen(command, env=environment)

    def await_notice(wanted):
        end = time.monotonic() + LIMIT
        while time.monotonic() < end:
            try:
                said = notices.recv(4096).decode()
            except TimeoutError:
                if child.poll() is not None:
                    sys.exit(f"it has ended with {child.returncode} before {wanted}")
                continue
            print("notice:", said.replace("\n", " "), flush=True)
            if wanted in said.split("\n"):
                return
        child.kill()
        sys.exit(f"no {wanted} within {LIMIT} s")

    await_notice("READY=1")
    worked = subprocess.run(["bash", "-euxc", script], env={**os.environ, "MAINPID": str(child.pid)}, check=False)
    reload = subprocess.run(service["ExecReload"][0].split(), check=False)
    child.terminate()
    await_notice("STOPPING=1")
    code = child.wait(LIMIT)
    shutil.rmtree(folder)
    if worked.returncode or reload.returncode or code:
        sys.exit(f"script {worked.returncode}, reload {reload.returncode}, service {code}")


main(*sys.argv[1:])
