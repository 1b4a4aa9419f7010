"""Two aioice connections, relay-only on both sides, exchange datagrams and count them.

Argument: JSON {host, port, username, password, transport, ssl, family}. Prints one line of JSON.
"""

import asyncio
import json
import ssl
import sys

import aioice

TASK = json.loads(sys.argv[1])
COUNT = 200


def connection(controlling: bool) -> aioice.Connection:
    tls = ssl.create_default_context(cafile=TASK["root"]) if TASK["ssl"] else False
    return aioice.Connection(
        ice_controlling=controlling,
        turn_server=(TASK["host"], TASK["port"]),
        turn_username=TASK["username"],
        turn_password=TASK["password"],
        turn_transport=TASK["transport"],
        turn_ssl=tls,
        transport_policy=aioice.TransportPolicy.RELAY,
    )


async def introduce(one: aioice.Connection, other: aioice.Connection) -> None:
    await one.gather_candidates()
    for candidate in one.local_candidates:
        await other.add_remote_candidate(candidate)
    await other.add_remote_candidate(None)
    other.remote_username = one.local_username
    other.remote_password = one.local_password


async def send(end: aioice.Connection, name: str) -> None:
    for number in range(COUNT):
        await end.send(f"{name} {number} ".encode().ljust(900, b"x"))
        await asyncio.sleep(0.005)


async def receive(end: aioice.Connection, name: str) -> int:
    wanted = {f"{name} {number} ".encode().ljust(900, b"x") for number in range(COUNT)}
    while wanted:
        wanted.discard(await end.recv())
    return COUNT


async def main() -> dict:
    one, other = connection(True), connection(False)
    await introduce(one, other)
    await introduce(other, one)
    await asyncio.gather(one.connect(), other.connect())
    results = await asyncio.wait_for(
        asyncio.gather(receive(one, "other"), receive(other, "one"), send(one, "one"), send(other, "other")), 60
    )
    candidates = [candidate.type for end in (one, other) for candidate in end.local_candidates]
    await asyncio.gather(one.close(), other.close())
    return {"received": results[:2], "candidates": candidates}


print(json.dumps(asyncio.run(main())))
