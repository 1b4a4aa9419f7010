#!/usr/bin/env python3
"""Stands in for the providers where they cannot be fetched: serves aws.json and google.json to terraform.

terraform is told of it by TF_REATTACH_PROVIDERS, which `env` prints the value of; it then asks for schemas and validation over the
socket, as it would ask a provider (protocol 6). Only schemas and validation are answered: plans and states are the mocks' of
`terraform test`. The few messages that are needed are written by hand, so that no generated code is kept here.

    stand_in.py serve SOCKET PROVIDER...   stays in the foreground
    stand_in.py env PID SOCKET PROVIDER...
"""

import json
import sys
import threading
from concurrent import futures
from pathlib import Path

HERE = Path(__file__).parent
NESTING = {"single": 1, "list": 2, "set": 3}
PROVIDER_CONFIG = {
    "aws": {
        "attributes": {name: {"type": "string", "optional": True} for name in ("region", "profile")},
        "blocks": {
            "default_tags": {
                "nesting": "list",
                "min": 0,
                "max": 1,
                "block": {"attributes": {"tags": {"type": ["map", "string"], "optional": True}}, "blocks": {}},
            }
        },
    },
    "google": {
        "attributes": {
            **{name: {"type": "string", "optional": True} for name in ("project", "region", "zone")},
            "default_labels": {"type": ["map", "string"], "optional": True},
        },
        "blocks": {},
    },
}


def varint(number):
    out = bytearray()
    while True:
        number, low = number >> 7, number & 0x7F
        out.append(low | (0x80 if number else 0))
        if not number:
            return bytes(out)


def field(number, value):
    """One field of a protobuf message: integers and truths as varints, the rest by length."""
    if isinstance(value, (bool, int)):
        return varint(number << 3) + varint(int(value)) if value else b""
    if isinstance(value, str):
        value = value.encode()
    return varint(number << 3 | 2) + varint(len(value)) + value


def read_fields(data):
    """The fields of a message, by number. Only what is delimited by length is of interest here."""
    found, at = {}, 0
    while at < len(data):
        key, at = read_varint(data, at)
        if key & 7 == 0:
            _, at = read_varint(data, at)
        else:
            length, at = read_varint(data, at)
            found[key >> 3] = data[at : at + length]
            at += length
    return found


def read_varint(data, at):
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return number, at


def block(told):
    out = b""
    for name, attribute in sorted(told["attributes"].items()):
        kind = "dynamic" if attribute["type"] == "any" else attribute["type"]
        flags = [field(number, attribute.get(flag, False)) for number, flag in ((4, "required"), (5, "optional"), (6, "computed"))]
        out += field(2, field(1, name) + field(2, json.dumps(kind)) + b"".join(flags))
    for name, child in sorted(told["blocks"].items()):
        limits = field(4, child["min"]) + field(5, child["max"])
        if child["nesting"] == "single":
            limits = b""
        out += field(3, field(1, name) + field(2, block(child["block"])) + field(3, NESTING[child["nesting"]]) + limits)
    return out


def schema(told):
    return field(2, block(told))


def entry(name, told):
    return field(1, name) + field(2, schema(told))


def wrong_values(told, value, path=""):
    """What is none of the values that the provider's documentation lists. What is not known yet is no value."""
    import msgpack

    for name, attribute in told["attributes"].items():
        given, listed = value.get(name), attribute.get("values")
        if listed and isinstance(given, str) and given not in listed:
            yield f"{path}{name}: {given!r} is none of {', '.join(listed)}"
    for name, child in told["blocks"].items():
        given = value.get(name)
        if isinstance(given, msgpack.ExtType) or given is None:
            continue
        for inner in given if isinstance(given, list) else [given]:
            if isinstance(inner, dict):
                yield from wrong_values(child["block"], inner, f"{path}{name}.")


class Provider:
    def __init__(self, name):
        told = json.loads((HERE / f"{name}.json").read_text())
        self.kinds = {"ValidateResourceConfig": told["resources"], "ValidateDataResourceConfig": told["data"]}
        self.schema = field(1, schema(PROVIDER_CONFIG[name]))
        self.schema += b"".join(field(2, entry(*item)) for item in sorted(told["resources"].items()))
        self.schema += b"".join(field(3, entry(*item)) for item in sorted(told["data"].items()))

    def answer(self, method, request):
        if method == "GetProviderSchema":
            return self.schema
        if method in self.kinds:
            return self.validate(self.kinds[method], read_fields(request))
        return b""

    def validate(self, known, request):
        import msgpack

        name = request[1].decode()
        value = msgpack.unpackb(read_fields(request[2])[1], strict_map_key=False)
        return b"".join(field(1, field(1, 1) + field(2, f"{name}: {text}")) for text in wrong_values(known[name], value))


def serve(socket, names):
    import grpc

    class Handler(grpc.GenericRpcHandler):
        def __init__(self, provider):
            self.provider = provider

        def service(self, details):
            method = details.method.rsplit("/", 1)[1]
            if not details.method.startswith("/tfplugin6.Provider/"):
                return None
            return grpc.unary_unary_rpc_method_handler(lambda request, _context: self.provider.answer(method, request))

    # A server that nothing refers to ends.
    servers = []
    for name in names:
        server = grpc.server(futures.ThreadPoolExecutor(4))
        server.add_generic_rpc_handlers((Handler(Provider(name)),))
        server.add_insecure_port(f"unix:{socket}.{name}")
        server.start()
        servers.append(server)
    print("serving", flush=True)
    threading.Event().wait()


def reattach(pid, socket, names):
    return {
        f"registry.terraform.io/hashicorp/{name}": {
            "Protocol": "grpc",
            "ProtocolVersion": 6,
            "Pid": pid,
            "Test": True,
            "Addr": {"Network": "unix", "String": f"{socket}.{name}"},
        }
        for name in names
    }


if sys.argv[1] == "serve":
    serve(sys.argv[2], sys.argv[3:])
else:
    print(json.dumps(reattach(int(sys.argv[2]), sys.argv[3], sys.argv[4:])))
